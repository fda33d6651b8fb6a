"""The command line: exit codes, one-line messages, and the commands that there are."""

import signal
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from support.settings_files import yaml

import usb_ext
from usb_ext.cli import main as cli
from usb_ext.core.errors import DataMissing, Interrupted, RunFailed, SettingsError, UsbExtError
from usb_ext.settings import LoadedSettings
from usb_ext.settings.model import Settings


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


def test_help_and_version(call: Any) -> None:
    code, out, err = call("--help")
    assert (code, err) == (0, "")
    listed = {line.split()[0] for line in out.splitlines() if line.startswith("    ")}
    assert {"train", "check-config", "doctor", "algorithms"} <= listed
    assert "exit codes: 0 done" in out
    assert call("--version") == (0, f"usb-ext {usb_ext.__version__}\n", "")


@pytest.mark.parametrize(
    "words", [["train", "--help-all"], ["train", "--lr", "0.1", "--help-all"], ["settings"]]
)
def test_the_whole_help_lists_every_setting(call: Any, words: list[str]) -> None:
    code, out, err = call(*words)
    assert (code, err) == (0, "")
    named = {line.split()[0] for line in out.splitlines() if line.startswith("    --")}
    assert named == {f"--{name}" for name in Settings.model_fields}


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


def test_settings_are_found_by_a_word_and_what_is_not_found_is_said(call: Any) -> None:
    code, out, err = call("settings", "teacher")
    assert (code, err) == (0, "") and "--eman_m" in out and "--lr " not in out
    code, out, err = call("settings", "batch_sice")
    assert (code, out) == (2, "") and "did you mean batch_size?" in err and err.count("\n") == 1
