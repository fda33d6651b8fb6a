"""Settings files by name: what a name means, in which order it is looked for, and what is said otherwise."""

from pathlib import Path

import pytest
from support.settings_files import CONFIG

import usb_ext
from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings
from usb_ext.settings.shipped import settings_file, shipped_file, shipped_files, title

DIGITS = "layermatch_digits_10"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, as somebody has who installed a wheel."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_the_names_are_those_of_the_files_in_config() -> None:
    assert list(shipped_files()) == sorted(p.name[:-5] for p in CONFIG.iterdir())
    assert len(shipped_files()) > 20
    assert all(path.parent == CONFIG for path in shipped_files().values())


def test_a_wheels_own_folder_comes_before_one_that_is_called_config_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("config", "usb_ext/shipped"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "config" / "theirs.yaml").touch()
    (tmp_path / "usb_ext" / "shipped" / "ours.yaml").touch()
    monkeypatch.setattr("usb_ext.settings.shipped.PACKAGE", tmp_path / "usb_ext")
    assert shipped_files() == {"ours": tmp_path / "usb_ext" / "shipped" / "ours.yaml"}


@pytest.mark.parametrize("source", [DIGITS, f"{DIGITS}.yaml", Path(DIGITS)])
def test_a_name_means_the_shipped_file(source: str | Path) -> None:
    assert settings_file(source) == CONFIG / f"{DIGITS}.yaml"
    by_name = load_settings(source, {"seed": 3}).settings
    assert by_name == load_settings(CONFIG / f"{DIGITS}.yaml", {"seed": 3}).settings
    assert (by_name.dataset, by_name.net, by_name.seed) == ("digits", "wrn_10_1", 3)


def test_a_file_of_the_users_own_comes_first(elsewhere: Path) -> None:
    (elsewhere / f"{DIGITS}.yaml").write_text("seed: 7\n")
    assert load_settings(DIGITS).settings.seed == 7
    assert load_settings(f"{DIGITS}.yaml").settings.seed == 7
    (elsewhere / DIGITS).write_text("seed: 8\n")
    assert load_settings(DIGITS).settings.seed == 8


def test_a_folder_of_that_name_is_no_file(elsewhere: Path) -> None:
    (elsewhere / DIGITS).mkdir()
    assert load_settings(DIGITS).settings.dataset == "digits"


@pytest.mark.parametrize("path", [f"config/{DIGITS}.yaml", f"./{DIGITS}.yaml", f"runs/{DIGITS}"])
def test_a_path_that_is_not_there_is_not_replaced_but_answered(path: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert str(caught.value) == (
        f"{path}: No such file or directory; a file of that name comes with usb_ext: use --c {DIGITS}"
    )


@pytest.mark.parametrize("name", ["layermatch_digit_10", "layermatch_digit_10.yaml"])
def test_an_unknown_name_gets_the_nearest(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(name)
    message = str(caught.value)
    assert message.startswith(f"{name}: No such file or directory, and no settings file of this")
    assert f"did you mean {DIGITS}, " in message and "`usb-ext configs`" in message
    assert "\n" not in message
    with pytest.raises(SettingsError, match=f"{name}: no settings file .* mean {DIGITS}, "):
        shipped_file(name)


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings("zzz")
    assert "did you mean" not in str(caught.value) and "`usb-ext configs`" in str(caught.value)


def test_a_missing_file_elsewhere_is_only_said_to_be_missing() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings("runs/one/config.yaml")
    assert str(caught.value) == "runs/one/config.yaml: No such file or directory"


def test_messages_name_a_file_as_it_was_given(elsewhere: Path) -> None:
    (elsewhere / "bad.yaml").write_text("seed: [1")
    with pytest.raises(SettingsError, match=r"^\./bad\.yaml:"):
        load_settings("./bad.yaml")


def test_train_takes_a_name(elsewhere: Path) -> None:
    result = usb_ext.train(
        DIGITS, num_train_iter=2, num_eval_iter=2, progress="off", device="cpu", num_threads=1
    )
    assert (result.dataset, result.iterations) == ("digits", 2)
    assert (elsewhere / "saved_models" / "layermatch_digits_10_s0" / "result.json").is_file()


# Typed from the files: their second line, to the colon.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("as3l_stl10_40", "AS3L with FlexMatch on STL-10 with 40 labels"),
        ("layermatch_imagefolder", "LayerMatch on your own images"),
        (
            "influence_moons",
            "Influence weighting on Pseudo-Label, the toy set moons with 10 labels, 30 validation and "
            "1,000 unlabelled points",
        ),
    ],
)
def test_a_title_is_a_files_first_sentence(name: str, expected: str) -> None:
    assert title(shipped_files()[name]) == expected


@pytest.mark.parametrize("name", shipped_files())
def test_every_title_says_what_and_on_what_in_a_line(name: str) -> None:
    words = title(shipped_files()[name])
    assert 20 < len(words) < 160
    assert any(
        word in words
        for word in ("LayerMatch", "AS3L", "Influence", "Smooth", "folder of photographs")
    )
