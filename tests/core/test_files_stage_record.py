"""What a file was made from: kept beside it, compared before it is used again."""

import hashlib
from pathlib import Path

import pytest

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import file_sha256, is_done, making, record_of

INPUTS = {"runs": 6, "features": "a" * 64, "clusters": [10, 20]}


def made(folder: Path) -> Path:
    path = folder / "selected.json"
    with making(path, INPUTS):
        path.write_text("{}")
    return path


def test_nothing_there_is_not_done(tmp_path: Path) -> None:
    assert not is_done(tmp_path / "selected.json", INPUTS)


def test_the_same_inputs_are_done_and_overwrite_makes_again(tmp_path: Path) -> None:
    path = made(tmp_path)
    assert record_of(path).name == "selected.made_with.json"
    assert is_done(path, dict(reversed(INPUTS.items())))
    assert not is_done(path, INPUTS, overwrite=True)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"runs": 3}, r"runs \(6 then, 3 now\)"),
        ({"features": "b" * 64}, r"features \(aaaaaaaa then, bbbbbbbb now\)"),
        ({"labels": "x.csv"}, r"labels \(None then, x.csv now\)"),
    ],
)
def test_other_inputs_are_refused_by_name(
    tmp_path: Path, changed: dict[str, object], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        is_done(made(tmp_path), {**INPUTS, **changed})


def test_a_file_without_a_record_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path)
    record_of(path).unlink()
    with pytest.raises(SettingsError, match="not what it was made from"):
        is_done(path, INPUTS)
    record_of(path).write_text("{")
    with pytest.raises(SettingsError, match="not what it was made from"):
        is_done(path, INPUTS)


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "features.npz"
    path.write_bytes(b"abc")
    assert file_sha256(path) == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(DataMissing, match="cannot read"):
        file_sha256(tmp_path / "none")


OTHER = {"runs": 3}


@pytest.mark.parametrize("renamed", [False, True])
def test_a_stage_that_was_killed_is_made_again_or_done(tmp_path: Path, renamed: bool) -> None:
    """The file came first and its record later; in between both were there and fitted nothing."""
    path = made(tmp_path)
    stage = making(path, OTHER)
    stage.__enter__()  # and never left: the process is dead
    if renamed:
        path.write_text("new")
    assert is_done(path, OTHER) is renamed
    assert (tmp_path / ".selected.json.before").read_text() == "{}"
    with making(path, INPUTS):
        path.write_text("{}")
    assert is_done(path, INPUTS)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "selected.json",
        "selected.made_with.json",
    ]


def test_a_stage_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = made(tmp_path)
    with pytest.raises(OSError, match="no space"), making(path, OTHER):
        raise OSError("no space")
    assert is_done(path, INPUTS)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "selected.json",
        "selected.made_with.json",
    ]
