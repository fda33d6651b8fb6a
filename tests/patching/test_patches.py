"""The series for USB: it applies, each patch mends its own problem, and what it adds equals ours.

The checks and the training run in processes of their own, on trees that hold nothing of usb_ext.
"""

import ast
import json
import math
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from patch_checks import MAIN_ALONE
from patch_world import SAME, FlatNet, prior_table, traced
from support.patches import CHANGES, PATCHES, SERIES, alone, patched, tree, without
from support.usb import usb_arguments

import usb_ext
from usb_ext.methods.as3l import prior as as3l_prior
from usb_ext.methods.named import NAMED, register
from usb_ext.patching.export import export_patches
from usb_ext.upstream.quiet import printed_to_log

PACKAGE = Path(usb_ext.__file__).parent
EVERY = [(base, path) for base in sorted(SERIES) for path in SERIES[base]]
IDS = [f"{base}-{path.name[:4]}" for base, path in EVERY]
MAIN, RELEASE = CHANGES["main"], CHANGES["0.3.2"]
NEW = [change for change in MAIN if change.algorithm]


def on_the_wheel(change: Any) -> list[str]:
    """The checks of a change but those of what main alone has."""
    return [check for check in change.checks if check not in MAIN_ALONE]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The released tree with the whole series."""
    return patched(tmp_path_factory.mktemp("patched") / "usb", "0.3.2")


@pytest.fixture(scope="module")
def said(whole: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """By tree what its checks say: `base`, `whole`, and the name of a change that is left out, its own."""
    folder = tmp_path_factory.mktemp("trees")
    trees = {"whole": whole.folder, "base": tree(folder / "base", "0.3.2").folder}
    words = [str(place) for place in trees.values()]
    for change in RELEASE:
        trees[change.name] = without(folder / change.name, "0.3.2", change).folder
        words.append(f"{trees[change.name]}={','.join(change.checks)}")
    found = json.loads(alone("patch_checks.py", *words))
    return {name: found[str(place)] for name, place in trees.items()}


@pytest.fixture(scope="module")
def report(whole: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What training on the patched tree gave."""
    out = tmp_path_factory.mktemp("report") / "report.json"
    alone("patch_runs.py", str(whole.folder), str(out))
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_every_change_has_checks_of_its_own(said: dict[str, dict[str, str]]) -> None:
    assert sorted(check for change in RELEASE for check in on_the_wheel(change)) == sorted(
        said["whole"]
    )
    every = [check for change in MAIN for check in change.checks]
    assert len(set(every)) == len(every) and all(change.checks for change in MAIN)


def test_all_checks_fail_on_the_release_and_pass_on_the_series(
    said: dict[str, dict[str, str]],
) -> None:
    assert all(said["base"].values()), said["base"]
    assert not any(said["whole"].values()), said["whole"]


@pytest.mark.parametrize("left_out", RELEASE, ids=lambda change: change.name)
def test_without_a_change_its_own_checks_fail(
    left_out: Any, said: dict[str, dict[str, str]]
) -> None:
    """That no other check fails is seen with main, by the slow tests."""
    assert sorted(said[left_out.name]) == sorted(on_the_wheel(left_out))
    assert all(said[left_out.name].values()), said[left_out.name]


def test_export_gives_the_series_byte_for_byte(tmp_path: Path) -> None:
    made = export_patches(PATCHES, tmp_path, "0.3.2")
    assert [p.name for p in made] == [p.name for p in SERIES["0.3.2"]]
    for path, committed in zip(made, SERIES["0.3.2"], strict=True):
        assert path.read_bytes() == committed.read_bytes(), f"{path.name}: usb-ext export-patches"


@pytest.mark.parametrize("base", sorted(SERIES))
def test_patches_follow_each_other_from_the_recorded_files(base: str) -> None:
    """Without a clone: each file's hash before a patch is the base's, or what the patch before left."""
    rows = (PATCHES / base / "blobs.txt").read_text().splitlines()
    held = {path: blob for blob, path in (row.split(" ", 1) for row in rows)}
    assert held
    for patch in SERIES[base]:
        parts = re.split(r"^diff --git a/(\S+) b/.*$", patch.read_text(), flags=re.M)[1:]
        for path, part in zip(parts[::2], parts[1::2], strict=True):
            index = re.search(r"^index ([0-9a-f]{12})\.\.([0-9a-f]{12})", part, re.M)
            assert index is not None, path
            assert held.get(path, "0" * 12)[:12] == index.group(1), f"{patch.name}: {path}"
            held[path] = index.group(2)


def test_what_is_the_same_on_both_bases_is_said_once() -> None:
    for change in MAIN:
        names = {path.name for path in (PATCHES / "source" / change.name).iterdir()}
        assert names <= {"about.toml", "both.patch", "main.patch", "0.3.2.patch", "new"}, (
            change.name
        )


def test_marks_in_our_code_name_bridges_that_are_there() -> None:
    marks = {
        mark
        for module in PACKAGE.rglob("*.py")
        for mark in re.findall(r"patches/source/([A-J]\d-[a-z-]+)", module.read_text())
    }
    assert marks and marks <= {change.name for change in MAIN}


@pytest.mark.parametrize(("base", "patch"), EVERY, ids=IDS)
def test_a_patch_says_what_why_how_to_see_it_and_what_it_breaks(base: str, patch: Path) -> None:
    text = patch.read_text()
    head = text.split("\n---\n")[0]
    assert "\nFrom: Your Name <you@example.com>\n" in head
    subject = re.search(r"^Subject: \[PATCH\] (.*)$", head, re.M)
    assert subject is not None and len(subject.group(1)) <= 72
    for part in ("\n\nWhat: ", "\n\nWhy: ", "\n\nHow to see it: ", "\n\nBreaking changes: "):
        assert part in head, part
    if base == "main":
        assert "\n+++ b/CHANGE_LOG.md\n" in text


@pytest.mark.parametrize("change", MAIN, ids=lambda change: change.name)
def test_the_readme_names_every_change_and_its_checks(change: Any) -> None:
    rows = re.findall(r"^\| ([A-Z]\d) \|.*$", (PATCHES / "README.md").read_text(), re.M)
    assert rows.count(change.name[:2]) == 1
    row = re.search(rf"^\| {change.name[:2]} \|.*$", (PATCHES / "README.md").read_text(), re.M)
    assert row is not None
    assert re.findall(r"`check_(\w+)`", row.group()) == [
        c.removeprefix("check_") for c in change.checks
    ]


def test_nothing_of_cuda_is_left_outside_the_device_module(whole: Any) -> None:
    calls = re.compile(r"^(?!\s*#).*(\.cuda\(|cuda\.synchronize|cuda\.Event)", re.M)
    found = {
        str(path.relative_to(whole.folder))
        for path in (whole.folder / "semilearn").rglob("*.py")
        if calls.search(path.read_text())
    }
    assert found == {"semilearn/core/utils/device.py", "semilearn/core/utils/misc.py"}


def test_every_algorithm_steps_evaluates_saves_and_loads_on_the_cpu(report: dict[str, Any]) -> None:
    assert report["import"] == ""
    assert len(report["algorithms"]) >= 19 + 10 + 4
    assert not {name: error for name, error in report["algorithms"].items() if error}


@pytest.mark.parametrize("name", ["fixmatch", *sorted({name for name, _ in SAME.values()})])
def test_a_run_trains_and_resumes_bit_for_bit(name: str, report: dict[str, Any]) -> None:
    run = report["trained"][name]
    assert len(run["losses"]) == 6 and all(math.isfinite(x) for x in run["losses"])
    assert sum(run["selected"]) > 0 and len(set(run["losses"])) == 6
    assert run["weights"] and run["hooks"]


@pytest.mark.parametrize("case", SAME)
def test_a_new_algorithm_gives_the_losses_of_ours(
    case: str, report: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, changed = SAME[case]
    register()
    monkeypatch.setattr(as3l_prior, "prior_of_run", lambda _: torch.from_numpy(prior_table(48)))
    args = usb_arguments(
        NAMED[name], num_classes=4, ulb_loss_ratio=1.0, ulb_dest_len=48, lb_dest_len=8, **changed
    )
    with printed_to_log(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = traced(NAMED[name](args, lambda num_classes, **_: FlatNet(num_classes)))
    theirs = report["same"][case]
    assert sum(theirs["train/util_ratio"]) > 0
    for key, values in theirs.items():
        if key != "train/ac_loss":  # ours logs it with its weight
            assert ours[key] == pytest.approx(values, rel=1e-6 if "util" in key else 1e-9), key
    if name == "influence":
        assert len(set(theirs["table"])) > 10, "the weights have hardly moved"


@pytest.mark.parametrize("change", NEW, ids=lambda change: change.name)
def test_new_algorithms_run_on_the_oldest_python_of_usb(change: Any, whole: Any) -> None:
    """USB says 3.9: no syntax of later ones, no `zip(strict=)`; and nothing of another package of ours."""
    place = whole.folder / "semilearn" / "algorithms" / change.algorithm
    modules = sorted(place.glob("*.py"))
    assert len(modules) >= 3
    for module in modules:
        text = module.read_text()
        ast.parse(text, feature_version=(3, 9))
        assert "strict=" not in text and " | " not in text
        assert "usb_ext" not in text and "ours:" not in text
