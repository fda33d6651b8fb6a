"""Errors in the words of Python: `data_dir=` where the command line has `--data_dir`.

Messages are written in the words of the command line, where most people meet them. What Python calls
(`usb_ext.train`, `compare`, `load_run`, ...) passes its errors through `in_keywords`. A whole command,
between backquotes, is one in both worlds and stays.
"""

import functools
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from usb_ext.core.errors import Interrupted, UsbExtError
from usb_ext.settings.kinds import is_switch, is_text
from usb_ext.settings.model import Settings, choices_of
from usb_ext.settings.run import DEVICES

P = ParamSpec("P")
R = TypeVar("R")

ARGUMENTS: dict[str, str] = {
    "c": "settings=",
    "config": "settings=",
    "from": "runs=",
    "no_train": "train=False",
    "allow_mixed": "allow_mixed=True",
    "retry": "retry=True",
}
"""Flags of commands that are no settings and have another form than `name=`."""

CHOICES: dict[str, tuple[str, ...]] = {"cluster": ("slurm", "local")}
"""Values of flags of commands that are no settings."""

OF_COMMANDS = frozenset({"help", "help_all"})
"""Flags that no function has an argument for."""

_QUOTED = re.compile(r"(`[^`]*`)")
_COMMAND = re.compile(r"`(?:usb-ext|python|pip) ")
_FLAG = re.compile(
    r"(?<![\w-])--([A-Za-z]\w*(?:-\w+)*)(?:(?P<between>[ =])(?P<word>(?!--)[\w./:+-]*[\w/]))?"
)
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.I)
_PLACE = re.compile(r"[A-Z]+")
_NAMED = re.compile(r"\w*[\d_/:]\S*")


def in_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """The same function, whose errors name keywords in the place of flags.

    Args:
        function: one that Python calls.
    """

    @functools.wraps(function)
    def speaking(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (UsbExtError, Interrupted) as error:
            error.args = (as_keywords(str(error)), *error.args[1:])
            raise

    return speaking


def as_keywords(text: str) -> str:
    """A message with keywords in the place of flags: `resume=True` for `--resume`, `lr=` for `--lr`.

    Args:
        text: in the words of the command line; one that is in Python's words comes back as it is.
    """
    parts = _QUOTED.split(text)
    return "".join(part if _COMMAND.match(part) else _FLAG.sub(_keyword, part) for part in parts)


def _keyword(found: re.Match[str]) -> str:
    """A flag, and the word after it if that is its value."""
    name, word = found[1].replace("-", "_"), found["word"]
    if name in OF_COMMANDS:
        return found[0]
    after = "" if word is None else found["between"] + word
    value = None if word is None else _value(name, word)
    if name in ARGUMENTS:
        named = ARGUMENTS[name]
        return named + (word or "" if named.endswith("=") and value is not None else after)
    if name in Settings.model_fields and is_switch(Settings.model_fields[name].annotation):
        return f"{name}={value}" if value is not None else f"{name}=True{after}"
    return f"{name}={after}" if value is None else f"{name}={value}"


def _value(name: str, word: str) -> str | None:
    """The word as Python writes it, if it is a value of the setting and not the next one of the sentence."""
    if word.lower() in ("true", "false", "none"):
        return word.capitalize()
    if _NUMBER.fullmatch(word) or _PLACE.fullmatch(word):
        return word
    if name not in Settings.model_fields:
        return repr(word) if word in CHOICES.get(name, ()) else None
    field = Settings.model_fields[name]
    known = DEVICES if name == "device" else choices_of(name)
    named = is_text(field.annotation) and _NAMED.fullmatch(word)
    return repr(word) if word in known or named else None
