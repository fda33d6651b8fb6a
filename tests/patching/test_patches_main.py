"""The series for USB's main, on a clone that USB_CLONE names: slow, and nothing of it runs without one.

USB_CLONE=/path/to/Semi-supervised-learning python -m pytest -m slow tests/patching/test_patches_main.py
"""

import json
from pathlib import Path
from typing import Any

import pytest
from support.patches import (
    CHANGES,
    PATCHES,
    SERIES,
    alone,
    may_fail,
    patched,
    tree,
    usb_clone,
    without,
)

from usb_ext.patching.export import BLOBS, export_patches

pytestmark = pytest.mark.slow
MAIN = CHANGES["main"]
ALL_FAIL = "A1-restore"
"""Without it nothing of main imports with timm 1."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Main with the whole series."""
    return patched(tmp_path_factory.mktemp("patched") / "usb", "main")


def test_export_gives_the_series_and_the_recorded_files(tmp_path: Path) -> None:
    made = export_patches(PATCHES, tmp_path, "main", usb_clone())
    assert [path.name for path in made] == [path.name for path in SERIES["main"]]
    for name in [*(path.name for path in made), BLOBS]:
        assert (tmp_path / name).read_bytes() == (PATCHES / "main" / name).read_bytes(), name


def test_checks_pass_and_those_of_a_change_fail_without_it(
    whole: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("trees")
    trees = {"whole": whole.folder, "base": tree(folder / "base", "main").folder}
    for change in MAIN:
        if change.name != ALL_FAIL:
            trees[change.name] = without(folder / change.name, "main", change).folder
    found = json.loads(alone("patch_checks.py", *map(str, trees.values())))
    said = {name: found[str(place)] for name, place in trees.items()}
    assert sorted(said["whole"]) == sorted(check for change in MAIN for check in change.checks)
    assert not any(said["whole"].values()), said["whole"]
    assert all(said["base"].values())
    for change in MAIN:
        failed = {name for name, error in said.get(change.name, {}).items() if error}
        if change.name != ALL_FAIL:
            assert set(change.checks) <= failed <= may_fail("main", change), (change.name, failed)


def test_every_algorithm_of_main_steps_and_resumes(whole: Any) -> None:
    """Bit for bit, or it stands in the table of exceptions."""
    from patch_resume import EXCEPTIONS

    rows = json.loads(alone("patch_resume.py", str(whole.folder), "--json"))
    assert len(rows) >= 26 + 10
    assert not {n: s for n, s in rows.items() if s != "same" and n not in EXCEPTIONS}
    assert not {n: s for n, s in rows.items() if s not in ("same", "differs")}


def test_settings_of_the_new_algorithms_are_the_generators_and_known(tmp_path: Path) -> None:
    """With the keys of USB's own files of that folder; `train.py` warns of none."""
    said = json.loads(alone("patch_settings.py", str(patched(tmp_path / "usb", "main").folder)))
    names = {path.split("/")[2] for path in said}
    assert names == {change.algorithm for change in MAIN if change.algorithm}
    assert not {path: wrong for path, wrong in said.items() if wrong}


@pytest.mark.parametrize("base", sorted(SERIES))
def test_two_processes_keep_equal_parameters_and_tables(base: str, tmp_path: Path) -> None:
    """Of the four features; influence refuses with a sentence."""
    said = json.loads(alone("patch_processes.py", str(patched(tmp_path / "usb", base).folder)))
    assert said.pop("influence").startswith("ValueError: influence runs in one process")
    assert said == {"as3l": "same", "layermatch": "same", "smoothfixmatch": "same"}
