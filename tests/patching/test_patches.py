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
from patch_world import SAME, FlatNet, prior_table, traced
from support.patches import PATCHES, SERIES, alone, number, patched, table
from support.usb import usb_arguments

import usb_ext
from usb_ext.methods.as3l import prior as as3l_prior
from usb_ext.methods.named import NAMED, register
from usb_ext.patching.export import export_patches
from usb_ext.upstream.quiet import printed_to_log

PACKAGE = Path(usb_ext.__file__).parent
BRIDGES = [p for p in SERIES if number(p) in table("Bridges")]
CHECK = {found: cells[1].strip("`") for found, cells in table("Bridges").items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The released tree with the whole series."""
    return patched(tmp_path_factory.mktemp("patched") / "usb", SERIES)


@pytest.fixture(scope="module")
def said(whole: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """By tree what its checks say: `released`, `whole`, and the number of a bridge that is left out."""
    folder = tmp_path_factory.mktemp("trees")
    trees = {"whole": whole.folder, "released": patched(folder / "released", []).folder}
    for bridge in BRIDGES:
        rest = [patch for patch in BRIDGES if patch is not bridge]
        trees[number(bridge)] = patched(folder / number(bridge), rest).folder
    found = json.loads(alone("patch_checks.py", *map(str, trees.values())))
    return {name: found[str(tree)] for name, tree in trees.items()}


@pytest.fixture(scope="module")
def report(whole: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What training on the patched tree gave."""
    out = tmp_path_factory.mktemp("report") / "report.json"
    alone("patch_runs.py", str(whole.folder), str(out))
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_every_bridge_has_a_check_of_its_own(said: dict[str, dict[str, str]]) -> None:
    assert len(BRIDGES) == len(table("Bridges")) and len(BRIDGES) >= 11
    assert sorted(CHECK.values()) == sorted(said["whole"])
    assert len(set(CHECK.values())) == len(BRIDGES)


def test_all_checks_fail_on_the_release_and_pass_on_the_series(
    said: dict[str, dict[str, str]],
) -> None:
    assert all(said["released"].values()), said["released"]
    assert not any(said["whole"].values()), said["whole"]


@pytest.mark.parametrize("left_out", [number(p) for p in BRIDGES])
def test_without_a_bridge_its_own_check_fails_alone(
    left_out: str, said: dict[str, dict[str, str]]
) -> None:
    failed = {name: error for name, error in said[left_out].items() if error}
    assert list(failed) == [CHECK[left_out]], failed


def test_export_gives_the_series_byte_for_byte(tmp_path: Path) -> None:
    made = export_patches(PATCHES, tmp_path)
    assert [p.name for p in made] == [p.name for p in SERIES]
    for path, committed in zip(made, SERIES, strict=True):
        assert path.read_bytes() == committed.read_bytes(), f"{path.name}: usb-ext export-patches"


@pytest.mark.parametrize("patch", BRIDGES, ids=number)
def test_what_a_bridge_removes_is_marked_with_its_number(patch: Path) -> None:
    gone = table("Bridges")[number(patch)][2]
    found = re.findall(r"`([a-z_/]+\.py)`", gone)
    assert found or gone.startswith("nothing")
    for name in found:
        assert f"patches/{number(patch)}" in (PACKAGE / name).read_text(), name


@pytest.mark.parametrize("patch", SERIES, ids=number)
def test_a_patch_touches_what_the_readme_says(patch: Path) -> None:
    files = (PATCHES / "README.md").read_text().split("## Files\n")[1]
    entry = re.search(rf"- {number(patch)}: (.*?)(?:\n- |\Z)", files, re.S)
    assert entry is not None
    listed = {word.strip().removesuffix(" (new)") for word in entry.group(1).split(",")}
    listed = {f"semilearn/{p}".replace("\\", "") if p[0] != "/" else p[1:] for p in listed}
    touched = set(re.findall(r"^diff --git a/(\S+) b/", patch.read_text(), re.M))
    assert touched == listed


@pytest.mark.parametrize("patch", SERIES, ids=number)
def test_a_patch_says_what_why_and_how_to_see_it(patch: Path) -> None:
    text = patch.read_text()
    head = text.split("\n---\n")[0]
    subject = re.search(r"^Subject: \[PATCH\] (.*)$", head, re.M)
    assert subject is not None and len(subject.group(1)) <= 72
    for part in ("\n\nWhat: ", "\n\nWhy: ", "\n\nHow to see it: "):
        assert part in head, part
    for line in text.splitlines():
        assert not line.startswith("+") or line.rstrip() == line, f"trailing space: {line!r}"


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


@pytest.mark.parametrize("path", sorted(PATCHES.glob("features/*")), ids=lambda p: p.name)
def test_features_run_on_the_oldest_python_of_usb(path: Path, whole: Any) -> None:
    """USB says 3.9: no syntax of later ones, no `zip(strict=)`, annotations not evaluated."""
    modules = sorted((whole.folder / "semilearn" / "algorithms" / path.name).glob("*.py"))
    assert len(modules) >= 3
    for module in modules:
        text = module.read_text()
        ast.parse(text, feature_version=(3, 9))
        assert "strict=" not in text
        assert " | " not in text or "from __future__ import annotations" in text
