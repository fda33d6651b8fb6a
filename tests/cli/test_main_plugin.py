"""`--plugin FILE.py` at every command that takes settings: known to it, kept, named when it has changed."""

import json
import shutil
from pathlib import Path

import pytest
from support.images import folder_of_images
from support.registries import forgotten
from support.run import TINY, undrawn
from support.settings_files import yaml

from usb_ext.cli.main import main
from usb_ext.comparison.asked import Asked, planned
from usb_ext.comparison.methods import Given, parse_methods, settings_of_file
from usb_ext.comparison.processes import files_of
from usb_ext.comparison.stage import resolved_plan

pytestmark = pytest.mark.usefixtures("registries")

PLUGIN = '''
import numpy as np
import usb_ext


class Margin(usb_ext.BaseRule):
    """Select where the largest weak probability is p_cutoff above the second."""

    name = "margin"

    def weights(self, algorithm, weak):
        first, second = weak.probs.topk(2, dim=-1).values.unbind(dim=-1)
        return (first - second >= algorithm.p_cutoff).to(weak.probs.dtype)


class Quiet(usb_ext.Extension):
    """Adds nothing."""

    name = "quiet"

    def hook(self, algorithm):
        return usb_ext.Hook()


def colours(settings):
    targets = np.arange(40) % 2
    images = np.zeros((40, 16, 16, 3), dtype=np.uint8)
    images[np.arange(40), :, :, targets] = 200
    return usb_ext.ImageArrays(
        train_images=images[:30], train_targets=targets[:30], test_images=images[30:],
        test_targets=targets[30:], classes=("red", "green"), mean=(0.3,) * 3, std=(0.3,) * 3, hflip=True,
    )


usb_ext.add_base(Margin())
usb_ext.add_extension(Quiet())
usb_ext.add_dataset("two_colours", colours)
'''
OWN = {
    "algorithm": "margin", "extensions": ["quiet"], "dataset": "two_colours", "num_classes": 2,
    "num_labels": 4, "p_cutoff": 0.5,
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file that needs `mine.py` beside it; the working folder is another one."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "mine.py").write_text(PLUGIN)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    given = {**TINY, **OWN, "save_dir": str(tmp_path), "plugin": "mine.py"}
    return yaml(tmp_path / "files" / "own.yaml", *(f"{n}: {v}" for n, v in given.items()))


def say(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """A command as in a process of its own: exit code, what it prints, what it complains of."""
    with forgotten(), undrawn():
        code = main(words)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_a_run_finds_it_again_and_names_a_change(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, mine = tmp_path / "run", config.parent / "mine.py"
    code, _, err = say(["train", "--c", str(config)], capsys)
    assert code == 0, err
    assert f"plugin: {mine}" in (run / "config.yaml").read_text().splitlines()
    modules = json.loads((run / "data.json").read_text())["modules"]
    assert list(modules) == ["plugin"]
    photos = folder_of_images(tmp_path / "photos")
    for number, words in enumerate(([], ["--plugin", str(mine)])):
        out = ["--out", f"{number}.csv", "--device", "cpu"]
        assert say(["predict", str(run), str(photos), *out, *words], capsys)[0] == 0
    stored = run / "config.yaml"
    assert say(["train", "--c", str(stored), "--resume"], capsys)[0] == 0
    mine.write_text(PLUGIN.replace("first - second", "first"))
    code, _, err = say(["train", "--c", str(stored), "--resume"], capsys)
    assert code == 2 and "is of other data: plugin has another content (" in err
    mine.rename(tmp_path / "moved.py")
    code, _, err = say(["predict", str(run), str(photos), "--out", "2.csv"], capsys)
    assert code == 2 and err.count("\n") == 1 and f"plugin is '{mine}', and there is no" in err
    moved = ["--plugin", str(tmp_path / "moved.py"), "--out", "3.csv", "--device", "cpu"]
    assert say(["predict", str(run), str(photos), *moved], capsys)[0] == 0
    assert Path("3.csv").read_text() == Path("0.csv").read_text()


def test_a_comparison_gives_it_to_its_processes(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a process is started with is a settings file, which `usb-ext train --c` takes alone."""
    words = ["compare", "--c", str(config), "--methods", "margin", "fixmatch:extensions=quiet"]
    words += ["--num_train_iter", "2", "--epoch", "1", "--out", str(tmp_path / "compared")]
    code, out, _ = say([*words, "--dry-run"], capsys)
    assert code == 0 and "margin: margin" in out
    given = Given(settings_of_file(config), {"num_train_iter": 2, "epoch": 1})
    methods = parse_methods(["margin", "fixmatch:extensions=quiet"])
    with forgotten():
        plan, order = planned(Asked(methods, given, out=tmp_path / "compared"))
        files = [files_of(run, order.out)[0] for run in resolved_plan(plan)]
    for file in files:
        assert f"plugin: {config.parent / 'mine.py'}" in file.read_text().splitlines()
        assert say(["train", "--c", str(file)], capsys)[0] == 0
    code, _, err = say(words, capsys)
    assert code == 0 and "finished before: 2, to do: 0" in err
    found = str(tmp_path / "compared" / "runs")
    assert say(["compare", "--from", found, "--out", str(tmp_path / "again")], capsys)[0] == 0


@pytest.mark.parametrize("command", ["as3l", "features", "pretrain", "prior-grid", "train"])
def test_what_is_wrong_with_it_ends_every_command_in_a_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("broken.py").write_text("import usb_ext\nusb_ext.add_base(None)\n")
    Path("typo.py").write_text("def f(:\n")
    before = sorted(tmp_path.iterdir())
    for name, said in (
        ("lost.py", "plugin is 'lost.py', and there is no such file"),
        ("typo.py", "typo.py, line 1: SyntaxError: invalid syntax"),
        (
            "broken.py",
            "broken.py, line 2: AttributeError: 'NoneType' object has no attribute 'name'",
        ),
    ):
        code, _, err = say([command, "--c", "layermatch_digits_10", "--plugin", name], capsys)
        assert code == 2 and err.count("\n") == 1 and said in err, err
    assert sorted(tmp_path.iterdir()) == before


def test_checks_and_the_catalogue_know_it(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = str(config.parent / "mine.py")
    assert say(["check-config", str(config)], capsys)[:2] == (0, f"{config}: ok\n")
    words = ["check-config", "layermatch_digits_10", "--plugin", mine, "--extensions", "quiet"]
    assert say(words, capsys)[:2] == (0, "layermatch_digits_10: ok\n")
    code, out, _ = say(["check-config", "layermatch_digits_10", "--extensions", "quiet"], capsys)
    assert code == 2 and "extensions: got" in out
    code, out, _ = say(["algorithms", "--plugin", mine], capsys)
    assert code == 0
    for line in ("  margin: Select where", "  quiet: Adds nothing."):
        assert line in out
    assert "margin" not in say(["algorithms"], capsys)[1]
    assert say(["algorithms", "--plugin", "lost.py"], capsys)[0] == 2
    shutil.rmtree(tmp_path / "elsewhere")
