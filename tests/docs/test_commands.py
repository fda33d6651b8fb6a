"""Every command that a page shows is one that the program takes: parsed, and its settings checked.

Nothing is trained. Words in capitals stand for what the reader fills in.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pages import DOCS, PAGES, ROOT, blocks, name_of

import usb_ext
from usb_ext.cli import frozen, studies
from usb_ext.cli.main import build_parser, main
from usb_ext.cli.processes import take_devices
from usb_ext.papers.studies import study_named
from usb_ext.settings import load_settings, parse_flags

STAND_FOR = {
    "DIR": "folder",
    "FILE": "config/layermatch_digits_10.yaml",
    "METHOD": "fixmatch",
    "NAME": "layermatch_digits_10",
    "PLACE...": "folder",
    "SEED": "0",
    "...": "9",
}
PROGRAMS = (["usb-ext"], ["python", "-m", "usb_ext"])
SCRIPT = "usb_ext/train.py"
SETTINGS = ("train", "pretrain", "as3l")
OTHERS = (
    "pip",
    "python3",
    ".",
    "cd",
    "pytest",
    "pre-commit",
    "torchrun",
    "bash",
    "mkdocs",
    "mkdir",
    "git",
    "rm",
    "unzip",
    "apt-get",
)


def commands_of(text: str) -> Iterator[list[str]]:
    """The commands of a block of bash, each as its words, without comments."""
    for line in text.replace("\\\n", " ").splitlines():
        words: list[str] = []
        for word in [*shlex.split(line, comments=True), "&&"]:
            if word in ("&&", ";", "||"):
                if words:
                    yield words
                words = []
            else:
                words.append(word)


def own_words(command: list[str]) -> list[str] | None:
    """What stands after `usb-ext`, however it is called (torchrun, timeout); None for another program."""
    if command[:2] == ["timeout", "--signal"]:
        command = command[4:]
    if SCRIPT in command:
        return ["train", *command[command.index(SCRIPT) + 1 :]]
    for program in PROGRAMS:
        if command[: len(program)] == program:
            return command[len(program) :]
    return None


def filled(words: list[str]) -> list[str]:
    """The words with what the reader fills in."""
    return [
        re.sub(r"\b(DIR|METHOD|SEED)\b", lambda w: STAND_FOR[w[0]], STAND_FOR.get(w, w))
        for w in words
    ]


def texts(page: Path) -> list[str]:
    """Blocks of bash, and whole commands within a sentence."""
    inline = re.findall(r"(?<!`)`(usb-ext [^`]*--c [^`]*)`(?!`)", page.read_text(encoding="utf-8"))
    return [*blocks(page, "bash"), *(" ".join(command.split()) for command in inline)]


SHOWN = [
    (page, filled(words))
    for page in PAGES
    for text in texts(page)
    for command in commands_of(text)
    if (words := own_words(command)) is not None
]


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def check(words: list[str], folder: Path) -> None:
    """Raise unless the program takes these words.

    Raises:
        SettingsError: what it would say.
    """
    words = with_plugin(words, folder)
    if words[0] in SETTINGS and "--help" not in words:
        file, flags = parse_flags(take_devices(words[1:])[0])
        load_settings(file, flags)
    elif words[0] == "prior-grid":
        own = words.index("--seeds") if "--seeds" in words else len(words)
        file, flags = parse_flags(words[1:own])
        load_settings(file, flags)
    elif words[0] == "features" and "--help" not in words:
        file, flags = parse_flags(frozen._parser().parse_known_args(words[1:])[1])
        load_settings(file, flags)
    elif words[0] == "study" and "--help" not in words:
        study_named(words[1])
        file, flags = parse_flags(studies._parser().parse_known_args(words[2:])[1])
        load_settings(file, flags)
    elif words[0] == "compare" and "--methods" in words:
        # the plan alone: every fold of every method, its settings resolved
        assert main([*without_out(words), "--no-train", "--out", str(folder)]) == 0
    elif words[0] == "sweep" and "--help" not in words:
        assert main([*words, "--dry-run"]) == 0
    elif "--help" not in words:
        build_parser(words).parse_args(words)


def with_plugin(words: list[str], folder: Path) -> list[str]:
    """The words with the base of `docs/extending.md` in the file that `--plugin` names."""
    if "--plugin" not in words:
        return words
    (code,) = [code for code in blocks(DOCS / "extending.md", "python") if " Margin(" in code]
    path = folder / words[words.index("--plugin") + 1]
    path.write_text(code.partition("usb_ext.train(")[0])
    return [str(path) if word == path.name else word for word in words]


def without_out(words: list[str]) -> list[str]:
    """The words without `--out` and its value."""
    if "--out" not in words:
        return words
    at = words.index("--out")
    return words[:at] + words[at + 2 :]


@pytest.mark.parametrize(
    ("page", "words"),
    SHOWN,
    ids=[f"{name_of(page)}: {' '.join(words)[:60]}" for page, words in SHOWN],
)
def test_a_command_of_a_page_is_taken(
    page: Path, words: list[str], tmp_path: Path, registries: None
) -> None:
    check(words, tmp_path)


def test_a_wrong_command_would_be_found(tmp_path: Path) -> None:
    for line in (
        "train --c config/layermatch_digits_10.yaml --no_such_setting 1",
        "train --c config/no_such_file.yaml",
        "compare --c config/layermatch_digits_10.yaml --methods fixmatch:no_such=1 --seeds 0",
        "select --budget 40",
        "study fig99 --c config/as3l_digits_10.yaml",
        "study fig7 --c config/as3l_digits_10.yaml --no_such_setting 1",
    ):
        with pytest.raises((usb_ext.SettingsError, AssertionError)):
            check(line.split(), tmp_path)


def test_every_other_program_is_known() -> None:
    """So that a misspelt `usb-ext` is not taken for another program."""
    for page in PAGES:
        for text in blocks(page, "bash"):
            for command in commands_of(text):
                assert own_words(command) is not None or command[0] in OTHERS, (page, command)


def test_settings_files_that_pages_name_exist() -> None:
    for page in PAGES:
        for name in re.findall(r"\bconfig/(\w+\.yaml)", page.read_text()):
            assert (ROOT / "config" / name).is_file(), f"{name_of(page)} names {name}"
