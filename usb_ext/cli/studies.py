"""`usb-ext study NAME`: a paper's ablation from what is missing to a table and a picture."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from usb_ext.cli.command import OneLineParser, SettingsCommand, Show, settings_of
from usb_ext.cli.table import help_of
from usb_ext.comparison.methods import Given
from usb_ext.core.errors import SettingsError
from usb_ext.settings import LoadedSettings


def run_study(words: Sequence[str], show: Show) -> int:
    """Make what is missing of a study, then print and write its table; gives the exit code.

    Args:
        words: after the command's name: a study, its own flags, and settings as `train` takes them.
        show: prints a text.

    Raises:
        SettingsError: no such study, a flag or setting that is wrong, or classes that are not known.
        DataMissing, RunFailed, Interrupted: as in the stages.
    """
    from usb_ext.papers.studies import STUDIES, catalogue, default_order, study_named
    from usb_ext.papers.studies import run_study as run
    from usb_ext.papers.study import Order

    if not words or words[0] in ("-h", "--help", "list"):
        return show(
            f"usb-ext study NAME --c FILE [flags]\n\n{catalogue()}\n\n{_parser().format_help()}"
        )
    if words[0].startswith("-"):
        raise SettingsError(f"study needs a name before its flags; known: {', '.join(STUDIES)}")
    name = study_named(words[0])
    try:
        own, rest = _parser().parse_known_args(list(words[1:]))
    except SystemExit:  # after --help
        return 0
    if own.jobs < 1:
        raise SettingsError(f"--jobs is {own.jobs}; it must be at least 1")
    loaded = settings_of("study", rest, show)
    if loaded is None:
        return 0
    usual = default_order(name, Path(loaded.settings.save_dir))
    order = Order(
        budgets=_counts("--budgets", own.budgets, 1) or usual.budgets,
        seeds=_counts("--seeds", own.seeds, 0) or usual.seeds,
        features=_named(own.features),
        out=Path(own.out).expanduser() if own.out else usual.out,
        given=_given(loaded),
        jobs=own.jobs,
        retry=own.retry,
        allow_mixed=own.allow_mixed,
    )
    return show(run(name, loaded.settings, order, show))


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="usb-ext study NAME",
        description=help_of("study"),
        epilog="every setting (`usb-ext settings WORD`) is a flag here too; give --c FILE",
        allow_abbrev=False,
    )
    parser.add_argument("--budgets", nargs="+", type=int, metavar="N", help="numbers of labels")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="N", help="of every draw")
    parser.add_argument(
        "--with", dest="features", nargs="+", default=[], metavar="NAME=FILE",
        help="features files of your own as further rows (as3l-10)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="runs at a time (smooth-...)"
    )
    parser.add_argument("--retry", action="store_true", help="try failed runs again (smooth-...)")
    parser.add_argument(
        "--allow-mixed", action="store_true", help="average runs of several commits (smooth-...)"
    )
    parser.add_argument("--out", metavar="DIR", help="default: save_dir/study_NAME")
    return parser


def _given(loaded: LoadedSettings) -> Given:
    """What the file says and what the flags say, each by its names."""
    values = loaded.settings.model_dump()
    file = {name: values[name] for name in loaded.given - loaded.ordered}
    return Given(file, {name: values[name] for name in loaded.ordered})


def _counts(flag: str, values: list[int] | None, least: int) -> list[int]:
    for value in values or []:
        if value < least:
            raise SettingsError(f"{flag} holds {value}; each must be at least {least}")
    return list(dict.fromkeys(values or []))


def _named(words: Sequence[str]) -> dict[str, Path]:
    """Files by name, of words NAME=FILE."""
    found = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not (name and equals and path) or not name.replace("-", "").replace("_", "").isalnum():
            raise SettingsError(f"--with holds {word!r}; write NAME=FILE, such as CLIP=clip.npz")
        found[name] = Path(path).expanduser()
    return found


STUDY = SettingsCommand(run_study)
