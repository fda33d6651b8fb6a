"""The command line: exit codes, one-line messages, and what each command says."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import usb_ext
from usb_ext.cli import main as cli
from usb_ext.core.errors import DataMissing, Interrupted, RunFailed, SettingsError, UsbExtError
from usb_ext.settings import LoadedSettings
from usb_ext.settings.model import Settings

ROOT = Path(usb_ext.__file__).parents[1]
SHIPPED = sorted((ROOT / "config").glob("*.yaml"))
BASES = [
    "fixmatch",
    "flexmatch",
    "freematch",
    "softmatch",
    "adamatch",
    "uda",
    "dash",
    "pseudolabel",
    "fixmatch_eman",
]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command; gives exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        code = cli.main([str(word) for word in words])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


@pytest.fixture
def refused(call: Any) -> Any:
    """Run a command that must fail with exit code 2; gives its one line on stderr."""

    def run(*words: object) -> str:
        code, out, err = call(*words)
        assert code == 2
        assert out == ""
        assert err.startswith("usb-ext: ") and err.count("\n") == 1 and err.endswith("\n")
        return str(err)

    return run


def yaml(path: Path, *lines: str) -> Path:
    path.write_text("\n".join((*lines, "")), encoding="utf-8")
    return path


def test_an_unknown_flag_gets_the_nearest_name(refused: Any) -> None:
    assert "unknown flag --learning_rat" in refused("train", "--learning_rat", "0.1")
    assert "did you mean --lr?" in refused("train", "--lrr", "0.1")


def test_an_unknown_command_gets_those_there_are(refused: Any) -> None:
    message = refused("trian")
    assert "'trian'" in message
    for command in ("train", "check-config", "doctor", "algorithms"):
        assert command in message


@pytest.mark.parametrize("words", [[], ["check-config"], ["doctor", "extra"], ["--nonsense"]])
def test_missing_and_superfluous_words_are_refused(refused: Any, words: list[str]) -> None:
    assert "--help" in refused(*words)


def test_train_without_settings_says_how_to_give_them(refused: Any) -> None:
    assert "train needs settings: --c FILE" in refused("train")


@pytest.mark.parametrize("command", [["train", "--c"], ["check-config"]])
def test_a_missing_file_is_named(call: Any, tmp_path: Path, command: list[str]) -> None:
    path = tmp_path / "no.yaml"
    code, out, err = call(*command, path)
    assert code == 2
    assert f"{path}: No such file or directory" in (out if command[0] == "check-config" else err)


def test_an_unknown_key_of_a_file_is_named_with_the_nearest(refused: Any, tmp_path: Path) -> None:
    message = refused("train", "--c", yaml(tmp_path / "a.yaml", "seed: 1", "num_lables: 10"))
    assert "num_lables" in message and "did you mean num_labels?" in message


def test_a_tag_that_runs_code_is_refused_and_runs_nothing(refused: Any, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    line = f"save_dir: !!python/object/apply:os.mkdir ['{proof}']"
    message = refused("train", "--c", yaml(tmp_path / "a.yaml", "seed: 1", line))
    assert "a.yaml:2:" in message and "python/object" in message
    assert not proof.exists()


def test_a_wrong_value_on_the_command_line(refused: Any) -> None:
    assert "lr: got 'fast' (str)" in refused("train", "--lr", "fast")


def test_check_config_says_of_each_file_whether_it_is_ok(call: Any, tmp_path: Path) -> None:
    good = yaml(tmp_path / "good.yaml", "seed: 1")
    dead = yaml(tmp_path / "dead.yaml", "clip: 1")
    code, out, err = call("check-config", good, dead)
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first == f"{good}: ok"
    assert second.startswith(f"{dead}: ok (") and "clip" in second

    bad = yaml(tmp_path / "bad.yaml", "seed: -1", "epochs: 3")
    broken = yaml(tmp_path / "broken.yaml", "seed: [1")
    code, out, err = call("check-config", bad, good, broken)
    assert (code, err) == (2, "")
    lines = out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{bad}: ") and lines[0].count(str(bad)) == 1
    assert "seed: got -1" in lines[0] and "did you mean epoch?" in lines[0]
    assert lines[1] == f"{good}: ok"
    assert lines[2].startswith(f"{broken}")


def test_every_file_we_ship_is_ok(call: Any) -> None:
    """Two name files that nobody can ship; those of AS3L are made for a command of its own."""
    assert len(SHIPPED) > 0
    code, out, _ = call("check-config", *SHIPPED)
    assert code == 3
    said = dict(line.split(": ", 1) for line in out.splitlines())
    assert list(said) == [str(path) for path in SHIPPED]
    missing = [line for line in said.values() if "and there is no such file" in line]
    assert len(missing) == 2 and all("is './data/" in line for line in missing)
    for path, line in said.items():
        as3l = Path(path).name.startswith("as3l_")
        assert line in (*missing, "ok for usb-ext as3l" if as3l else "ok"), path


def test_help_and_version(call: Any) -> None:
    code, out, err = call("--help")
    assert (code, err) == (0, "")
    listed = {line.split()[0] for line in out.splitlines() if line.startswith("    ")}
    assert {"train", "check-config", "doctor", "algorithms"} <= listed
    assert "exit codes: 0 done" in out
    assert call("--version") == (0, f"usb-ext {usb_ext.__version__}\n", "")


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--lr", "0.1", "--help"]])
def test_train_help_lists_every_setting(call: Any, words: list[str]) -> None:
    code, out, err = call("train", *words)
    assert (code, err) == (0, "")
    named = {line.split()[0] for line in out.splitlines() if line.startswith("    --")}
    assert named == {f"--{name}" for name in Settings.model_fields}


def test_algorithms_lists_names_with_a_line_each(call: Any) -> None:
    code, out, err = call("algorithms")
    assert (code, err) == (0, "")
    rows = dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)
    assert rows["  layermatch"].endswith("[freematch + grad_relu + avg_clustering]")
    bases = out.split("any of them):\n")[1].split("extensions:")[0].splitlines()
    assert [line.strip().split(":")[0] for line in bases] == BASES
    assert {"  grad_relu", "  avg_clustering"} <= set(rows)
    usb = rows["USB's other algorithms"].split(", ")
    assert {"mixmatch", "comatch", "vat"} <= set(usb) and not set(usb) & {*BASES, "layermatch"}
    assert {"abc", "darp"} <= set(rows["USB's imbalanced algorithms (--imb_algorithm)"].split(", "))
    assert {"wrn_28_2", "wrn_10_1"} <= set(rows["networks"].split(", "))
    assert {"digits", "imagefolder", "cifar10"} <= set(rows["data sets"].split(", "))


def test_doctor_says_what_is_installed_and_where_runs_compute(call: Any) -> None:
    import torch

    code, out, err = call("doctor")
    assert (code, err) == (0, "")
    assert f"  torch {torch.__version__.partition('+')[0]}" in out
    assert f"  usb_ext {usb_ext.__version__}\n" in out
    assert "  semilearn 0.3.2\n" in out
    assert "device (auto): " in out and "  wandb: " in out


class Stage:
    """A train stage that does what it is told, in place of the real one, which is not imported."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given: LoadedSettings | None = None
        self.outcome: Any = SimpleNamespace(top1_last=0.98765, path="runs/one")
        module: Any = ModuleType("usb_ext.training.train")
        module.train = self.train
        monkeypatch.setitem(sys.modules, module.__name__, module)

    def train(self, loaded: LoadedSettings) -> Any:
        self.given = loaded
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (RunFailed("the loss is\n  not finite"), 1, "usb-ext: the loss is not finite\n"),
        (SettingsError("no"), 2, "usb-ext: no\n"),
        (DataMissing("no file"), 3, "usb-ext: no file\n"),
        (Interrupted("stopped", signal.SIGINT), 130, "usb-ext: stopped\n"),
        (Interrupted("stopped", signal.SIGTERM), 143, "usb-ext: stopped\n"),
        (KeyboardInterrupt(), 130, "usb-ext: interrupted\n"),
    ],
)
def test_exit_codes_of_a_run(
    call: Any, stage: Stage, error: BaseException, code: int, line: str
) -> None:
    stage.outcome = error
    assert call("train", "--seed", 1) == (code, "", line)


def test_an_error_of_the_program_itself_is_not_hidden(stage: Stage) -> None:
    stage.outcome = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        cli.main(["train", "--seed", "1"])


def test_a_finished_run_says_its_accuracy_and_where_it_is(call: Any, stage: Stage) -> None:
    assert call("train", "--seed", 1) == (0, "top1_last 98.77%  runs/one/result.json\n", "")
    stage.outcome.top1_last = None
    assert call("train", "--seed", 1)[1] == "top1_last none  runs/one/result.json\n"


def test_a_flag_wins_over_the_file(call: Any, stage: Stage, tmp_path: Path) -> None:
    path = yaml(tmp_path / "a.yaml", "seed: 3", "lr: 0.5")
    call("train", "--c", path, "--seed", "7")
    assert stage.given is not None
    assert (stage.given.settings.seed, stage.given.settings.lr) == (7, 0.5)


def test_the_arguments_of_the_process_are_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["usb-ext", "--version"])
    with pytest.raises(SystemExit) as caught:
        cli.entry()
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"usb-ext {usb_ext.__version__}\n"


def test_every_error_has_an_exit_code_that_help_lists() -> None:
    codes = {kind.exit_code for kind in UsbExtError.__subclasses__()}
    assert codes == {1, 2, 3}


def process(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=ROOT, env=environment
    )


def test_help_of_the_module_imports_neither_torch_nor_semilearn() -> None:
    code = (
        "import runpy, sys; sys.argv = ['usb_ext', '--help']\n"
        "try: runpy.run_module('usb_ext', run_name='__main__')\n"
        "except SystemExit as stop: code = stop.code\n"
        "print('CODE', code, sorted({'torch', 'semilearn', 'numpy', 'sklearn'} & set(sys.modules)))"
    )
    done = process("-c", code)
    assert "COMMAND" in done.stdout
    assert done.stdout.splitlines()[-1] == "CODE 0 []", done.stderr


def test_the_script_is_the_train_command() -> None:
    done = process("usb_ext/train.py", "--lrr", "3")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "usb-ext: unknown flag --lrr: did you mean --lr?\n"
