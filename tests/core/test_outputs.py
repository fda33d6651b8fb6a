"""Files in any folder: ours are replaced, those of others refused before any work."""

import json
from pathlib import Path

import pytest

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.core.files import is_done
from usb_ext.core.folders import MARKER, read_marker
from usb_ext.core.outputs import check_new, check_outputs, claim_outputs, stage_output


def test_ours_may_be_written_again_and_others_not(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    claim_outputs(tmp_path, ["table.md"])
    (tmp_path / "table.md").write_text("ours")
    claim_outputs(tmp_path, ["table.md", "prior.npz"])
    assert read_marker(tmp_path)["files"] == ["prior.npz", "table.md"]
    (tmp_path / "thesis.tex").write_text("mine")
    for call in (check_outputs, claim_outputs):
        with pytest.raises(
            SettingsError, match=r"holds thesis\.tex, which usb_ext did not"
        ) as caught:
            call(tmp_path, ["table.md", "thesis.tex"], "--out")
        assert str(tmp_path) in str(caught.value) and "--out" in str(caught.value)
    assert read_marker(tmp_path)["files"] == ["prior.npz", "table.md"]


def test_a_check_makes_nothing_and_a_claim_makes_the_folder(tmp_path: Path) -> None:
    check_outputs(tmp_path / "a" / "b", ["x"])
    assert list(tmp_path.iterdir()) == []
    claim_outputs(tmp_path / "a" / "b", ["x"])
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == [MARKER]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SettingsError, match="cannot be made"):
        claim_outputs(tmp_path / "file", ["x"])


@pytest.mark.parametrize(
    ("witness", "content", "name"),
    [
        ("selected.json", {"format": "usb_ext selected 1"}, "selected.png"),
        ("prior.json", {"normaliser": "row"}, "prior.npz"),
        ("compare.json", {"comparisons": []}, "compare.md"),
    ],
)
def test_what_an_older_version_left_is_ours_and_a_namesake_is_not(
    tmp_path: Path, witness: str, content: dict[str, object], name: str
) -> None:
    (tmp_path / name).write_text("old")
    (tmp_path / witness).write_text("{}")
    with pytest.raises(SettingsError, match="did not write"):
        check_outputs(tmp_path, [name])
    (tmp_path / witness).write_text(json.dumps(content))
    check_outputs(tmp_path, [name, witness])


def test_an_older_comparison_that_was_stopped_goes_on(tmp_path: Path) -> None:
    names = ("runs", "settings", "logs")
    for name in names[1:]:
        (tmp_path / name).mkdir()
    with pytest.raises(SettingsError, match="logs, settings"):
        check_outputs(tmp_path, ["logs", "settings"])
    (tmp_path / "runs").mkdir()
    check_outputs(tmp_path, ["logs", "settings"])


def test_a_stage_makes_its_file_alone(tmp_path: Path) -> None:
    made, inputs = tmp_path / "labels" / "prior.npz", {"seed": 0}
    with stage_output(made, inputs, "--as3l_name"):
        with pytest.raises(RunFailed, match="in use: a stage"), stage_output(made, inputs, "--x"):
            pass
        made.write_text("new")
    assert is_done(made, inputs)


def test_a_stage_does_not_take_the_place_of_a_persons_file(tmp_path: Path) -> None:
    made = tmp_path / "selected.json"
    made.write_text("[1, 2]")
    with pytest.raises(SettingsError, match="--as3l_name"), stage_output(made, {}, "--as3l_name"):
        made.write_text("new")
    assert made.read_text() == "[1, 2]"


def test_what_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    check_new(tmp_path, ["a", "b"], overwrite=False)
    claim_outputs(tmp_path, ["a", "b"])
    for name in ("a", "b"):
        (tmp_path / name).touch()
    with pytest.raises(SettingsError, match=r"a exists already \(and b\); .*--overwrite.*--made"):
        check_new(tmp_path, ["a", "b"], "--made", overwrite=False)
    check_new(tmp_path, ["a", "b"], overwrite=True)
    (tmp_path / "c").symlink_to(tmp_path / "nothing")
    with pytest.raises(SettingsError, match="c exists already"):
        check_new(tmp_path, ["c"], overwrite=False)
    with pytest.raises(SettingsError, match="did not write"):
        check_new(tmp_path, ["a", "c"], overwrite=True)
