"""`class_list` from the settings to the data: which images are labelled, of which class, and the errors."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from support.sets import imagenet

from usb_ext.cli.main import main
from usb_ext.data.decode import decode_file
from usb_ext.data.sets import prepare
from usb_ext.settings import load_settings

FOLDERS = ["n01440764", "n01443537", "n01484850", "n01491361"]
LISTED = ["n01491361", "n01440764", "n01484850"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    imagenet(tmp_path / "imagenet", FOLDERS, per_class=4)
    (tmp_path / "classes.txt").write_text("\n".join(LISTED))
    return tmp_path


def settings_of(root: Path, **changed: Any) -> dict[str, Any]:
    return {
        "dataset": "imagefolder", "data_dir": str(root / "imagenet"), "num_classes": 3,
        "num_labels": 6, "img_size": 16, "class_list": str(root / "classes.txt"), "net": "wrn_10_1",
        "num_workers": 0, "save_dir": str(root / "runs"), "progress": "off", **changed,
    }  # fmt: skip


def prepared(root: Path, **changed: Any) -> Any:
    settings = load_settings(settings_of(root, **changed)).settings
    return prepare(Namespace(**{**settings.model_dump(), "label_seed": settings.split_seed}))


def pixels(root: Path, name: str) -> list[bytes]:
    """The four training images of a class, decoded."""
    files = sorted((root / "imagenet" / "train" / name).iterdir())
    return [decode_file(file, 16).tobytes() for file in files]


def test_labels_are_drawn_per_class_and_numbered_as_listed(root: Path) -> None:
    data = prepared(root)
    labelled, unlabelled = data.datasets["train_lb"], data.datasets["train_ulb"]
    assert data.classes == tuple(LISTED)
    assert labelled.targets.tolist() == [0, 0, 1, 1, 2, 2]
    assert len(unlabelled) == 12 and sorted(data.datasets["eval"].targets.tolist()) == [0, 1, 2]
    for image, target in zip(labelled.data, labelled.targets, strict=True):
        assert image.tobytes() in pixels(root, LISTED[target])
    left_out = pixels(root, "n01443537")
    assert not any(image.tobytes() in left_out for image in unlabelled.data)


def test_the_order_of_the_list_does_not_choose_the_labelled_images(root: Path) -> None:
    before = prepared(root, label_seed=5).labelled
    (root / "classes.txt").write_text("\n".join(sorted(LISTED)))
    after = prepared(root, label_seed=5)
    assert after.classes == tuple(sorted(LISTED))
    assert sorted(after.labelled.tolist()) == sorted(before.tolist())
    assert after.labelled.tolist() != before.tolist()  # class by class, in the list's order


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("n01491361\nn01440764\nn9\n", 2, ["line 3: no folder", "train/n9"]),
        ("n01491361\nn01440764\nn01491361\n", 2, ["line 3: 'n01491361' already", "line 1"]),
        ("", 2, ["names no class"]),
        ("n01491361\nn01440764\n", 2, ["num_classes is 3", "names 2", "line 2"]),
        (None, 3, ["there is no such file", "classes.txt"]),
    ],
)
def test_a_wrong_list_ends_the_command_with_one_line_and_leaves_nothing(
    root: Path, capsys: pytest.CaptureFixture[str], text: str | None, code: int, said: list[str]
) -> None:
    file = root / "classes.txt"
    file.unlink() if text is None else file.write_text(text)
    given = [word for k, v in settings_of(root).items() for word in (f"--{k}", str(v))]
    assert main(["train", *given]) == code
    message = capsys.readouterr().err
    assert message.startswith("usb-ext: ") and message.count("\n") == 1
    for part in said:
        assert part in message
    assert not (root / "runs").exists()
