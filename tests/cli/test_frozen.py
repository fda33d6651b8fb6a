"""`usb-ext features`: its flags, and that wrong ones are refused in a line."""

from pathlib import Path

import pytest

from usb_ext.cli.main import main


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--weak", "0", "--dataset", "digits"], "--weak is 0; it must be at least 1"),
        (["--strong", "-2", "--dataset", "digits"], "--strong is -2; it must be at least 1"),
        (["--weak", "x", "--dataset", "digits"], "invalid int value"),
        ([], "features needs settings: --c FILE"),
    ],
)
def test_wrong_flags(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", *words]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_it_leaves_a_folder_to_train_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--dataset digits --img_size 8 --net wrn_10_1 --weak 1 --strong 1 --progress off --device cpu"
    assert main(["features", *words.split(), "--out", str(tmp_path / "f")]) == 0
    assert f"--feature_file {tmp_path / 'f'}" in capsys.readouterr().out
    assert (tmp_path / "f" / "features.npz").is_file()
