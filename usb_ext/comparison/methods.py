"""Methods as the command line names them: an algorithm with settings of its own, so that an
ablation is a method too.

    fixmatch                                    the algorithm, its own defaults
    fixmatch:p_cutoff=0.9,T=0.5                 with settings
    fixmatch:extensions=grad_relu               with an extension
    "no relu=layermatch:grad_relu=False"        with a label

Values follow the rules of the command line's flags. What makes a fold a fold, and where runs are
written, is the comparison's and not a method's.

The arguments of `usb-ext compare`: its own, and every setting as a flag for all methods.

What a person asks of a comparison, apart from its runs.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from usb_ext.core.errors import SettingsError
from usb_ext.settings import parse_flags
from usb_ext.settings.flags import add_setting_flags, settings_given
from usb_ext.settings.group import BLANKS
from usb_ext.settings.plugin import PLUGIN, found_plugin
from usb_ext.settings.shipped import settings_file
from usb_ext.settings.sources import read_yaml

if TYPE_CHECKING:
    from usb_ext.comparison.against import Other
    from usb_ext.comparison.cluster import Cluster

RESERVED = frozenset(
    "algorithm dataset seed label_seed num_labels save_dir save_name resume load_path overwrite "
    "progress config".split()
)
"""Settings that the comparison gives to every run."""

_NEXT_SETTING = re.compile(r",(?=\s*[A-Za-z_][A-Za-z0-9_-]*\s*=)")


@dataclass(frozen=True)
class Method:
    """What is compared.

    Attributes:
        label: name in tables, unique in a comparison.
        algorithm: name as in the setting `algorithm`.
        values: settings of this method alone.
    """

    label: str
    algorithm: str
    values: Mapping[str, object]

    @property
    def slug(self) -> str:
        """The label as part of a folder's name."""
        return re.sub(r"[^A-Za-z0-9._+-]+", "-", self.label).strip("-.") or "method"


def parse_methods(texts: Sequence[str]) -> tuple[Method, ...]:
    """The methods of a comparison, the first one being what the others are measured against.

    Args:
        texts: as written on the command line.

    Raises:
        SettingsError: an unknown or reserved setting, or two methods of one name.
    """
    methods = tuple(map(parse_method, texts))
    _refuse_shared_names(methods, texts)
    return methods


def _refuse_shared_names(methods: Sequence[Method], texts: Sequence[str]) -> None:
    """Two methods of one name would share their folders.

    Raises:
        SettingsError: naming both.
    """
    seen: dict[str, str] = {}
    for text, method in zip(texts, methods, strict=True):
        if method.slug in seen:
            raise SettingsError(
                f"--methods: {seen[method.slug]!r} and {text!r} would share the name "
                f"{method.slug!r}; give one another label: LABEL={text.partition('=')[2] or text}"
            )
        seen[method.slug] = text


def methods_of(methods: Sequence[str] | Mapping[str, Mapping[str, object]]) -> tuple[Method, ...]:
    """The methods of a comparison as Python names them.

    Args:
        methods: texts as on the command line, or settings by label, `algorithm` among them.

    Raises:
        SettingsError: as in `parse_methods`; or settings without an algorithm.
    """
    if not isinstance(methods, Mapping):
        return parse_methods([methods] if isinstance(methods, str) else methods)
    found = []
    for label, values in methods.items():
        own = dict(values)
        algorithm = own.pop("algorithm", None)
        if not isinstance(algorithm, str) or not label.strip():
            raise SettingsError(
                f"methods: {label!r} has {sorted(values)}; give it a label and an algorithm"
            )
        if fixed := sorted(RESERVED & own.keys()):
            raise SettingsError(
                f"methods: {label!r} sets {', '.join(fixed)}, which is the same for all methods"
            )
        found.append(Method(label.strip(), algorithm, own))
    _refuse_shared_names(found, list(methods))
    return tuple(found)


def parse_method(text: str) -> Method:
    """One method from `[LABEL=]ALGORITHM[:name=value,...]`.

    Raises:
        SettingsError: no algorithm, or a setting that is unknown or reserved.
    """
    head, _, tail = text.partition(":")
    label, equals, algorithm = head.partition("=")
    name = (algorithm if equals else head).strip()
    if not name or (equals and not label.strip()):
        raise SettingsError(
            f"--methods: {text!r} names no method; write NAME, NAME:setting=value,... or "
            "LABEL=NAME:setting=value,..."
        )
    return Method(label.strip() if equals else text.strip(), name, _values(text, tail))


def _values(text: str, tail: str) -> dict[str, object]:
    """The settings after the colon."""
    parts = [part.strip() for part in _NEXT_SETTING.split(tail) if part.strip()]
    if wrong := [part for part in parts if "=" not in part]:
        raise SettingsError(f"--methods: {wrong[0]!r} in {text!r} is no setting; write name=value")
    flags = [f"--{'='.join(side.strip() for side in part.split('=', 1))}" for part in parts]
    try:
        values = parse_flags(flags)[1] if flags else {}
    except SettingsError as error:
        raise SettingsError(f"--methods: {text!r}: {error}") from error
    if fixed := sorted(RESERVED & {flag[2:].partition("=")[0].replace("-", "_") for flag in flags}):
        raise SettingsError(
            f"--methods: {text!r} sets {', '.join(fixed)}, which is the same for all methods"
        )
    return values


def read_target(text: str, methods: tuple[str, ...]) -> float | str:
    """What `--time-to` asks for: an accuracy in (0, 1], or a method's label.

    Raises:
        SettingsError: neither.
    """
    if text in methods:
        return text
    try:
        accuracy = float(text)
    except ValueError:
        accuracy = -1.0
    if not 0 < accuracy <= 1:
        raise SettingsError(
            f"--time-to is {text!r}; give an accuracy in (0, 1] such as 0.9, or one of the methods "
            f"{', '.join(methods)}"
        )
    return accuracy


OWN = frozenset("seed label_seed num_labels algorithm save_name resume load_path overwrite".split())
"""Settings that are no flag of this command, for `--seeds`, `--num-labels` and `--methods` set them."""


def add_runs(compare: Any) -> None:
    """Arguments that say which runs are compared."""
    compare.add_argument(
        "--c",
        "--config",
        dest="c",
        metavar="FILE",
        help="settings of all runs, a file or a name of `usb-ext configs`",
    )
    compare.add_argument(
        "--methods",
        nargs="+",
        metavar="METHOD",
        help="the first is what the others are measured against; fixmatch, "
        "fixmatch:p_cutoff=0.9,T=0.5, or LABEL=fixmatch:extensions=grad_relu",
    )
    compare.add_argument(
        "--paper",
        metavar="TABLE",
        help="all rows of a paper's table as methods, each with its recipe: layermatch-1, as3l-5, ...",
    )
    compare.add_argument(
        "--cell", metavar="DATASET/LABELS", help="which cell of that table, such as cifar10/10"
    )
    compare.add_argument(
        "--from",
        nargs="+",
        dest="found",
        metavar="RUN",
        help="finished runs, folders above them or patterns: report on them, train nothing",
    )
    compare.add_argument("--seeds", nargs="+", type=int, metavar="N", help="training seeds")
    compare.add_argument(
        "--label-seeds",
        "--label_seeds",
        nargs="+",
        type=int,
        metavar="N",
        help="seeds of the labelled images, paired with --seeds in order (default: the seeds)",
    )
    compare.add_argument(
        "--num-labels",
        "--num_labels",
        nargs="+",
        type=int,
        metavar="N",
        help="several: does adding labels help?",
    )


def add_report(compare: Any) -> None:
    """Arguments about the running and the report."""
    compare.add_argument("--out", metavar="DIR", help="default: save_dir/compare_NAME-OF-CONFIG")
    compare.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time")
    compare.add_argument("--metric", choices=("last", "best", "median20"), default="last")
    compare.add_argument(
        "--time-to", metavar="X", help="steps to an accuracy (0.9) or to a method's last accuracy"
    )
    compare.add_argument(
        "--against",
        metavar="NAME",
        help="gain of each method over its own runs in another comparison, a folder or its name beside --out",
    )
    compare.add_argument(
        "--dry-run", action="store_true", help="say what would be run with which settings, and end"
    )
    compare.add_argument("--no-train", action="store_true", help="report what is there")
    compare.add_argument("--retry", action="store_true", help="try failed runs again")
    compare.add_argument(
        "--allow-mixed", action="store_true", help="average runs of several commits and versions"
    )


def add_settings(compare: Any) -> None:
    """Every setting that is not the comparison's own."""
    add_setting_flags(compare, OWN)


class Given(NamedTuple):
    """The settings that a comparison's methods share.

    Attributes:
        file: what the settings file says, for its own method.
        flags: what the command line says, for all methods.
    """

    file: dict[str, object]
    flags: dict[str, object]

    def value(self, name: str) -> object:
        """What all methods have, where none says otherwise; None where nobody says it."""
        return {**self.file, **self.flags}.get(name)


def given_settings(arguments: argparse.Namespace) -> Given:
    """The settings of the file, and of the flags."""
    file = {} if arguments.c is None else settings_of_file(arguments.c)
    return Given(file, settings_given(arguments))


def settings_of_file(source: str | Path) -> dict[str, object]:
    """What a settings file says, but for `overwrite`, which no file may ask for.

    Args:
        source: a path, or the name of a file that comes with the package.

    Raises:
        SettingsError: it cannot be read.
    """
    file = read_yaml(settings_file(source))
    file.pop("overwrite", None)
    if isinstance(plugin := file.get(PLUGIN), str) and plugin not in BLANKS:
        file[PLUGIN] = str(found_plugin(plugin, Path(settings_file(source)).parent))
    return file


@dataclass(frozen=True)
class Order:
    """What is asked of a comparison.

    Attributes:
        out: its folder.
        metric: which metric leads.
        target: of the time to an accuracy, if asked for.
        jobs: runs at a time.
        allow_mixed: average runs of several commits and versions.
        retry: try failed runs again.
        train: run what is missing; otherwise report what is there.
        about: what the report begins with: command, methods.
        other: a comparison whose runs each method's own are held against, if asked for.
        cluster: where runs become jobs; None runs them as processes of the command.
    """

    out: Path
    metric: str = "last"
    target: float | str | None = None
    jobs: int = 1
    allow_mixed: bool = False
    retry: bool = False
    train: bool = True
    about: dict[str, Any] = field(default_factory=dict)
    other: "Other | None" = None
    cluster: "Cluster | None" = None
