"""Whether a run keeps the protocol of a paper's table: what must hold, and what may differ.

Every setting that decides a result is in one of four places, which `published/protocols.toml` names: it must
hold, or the run is another experiment or another method and is left out; it differs, and the run is marked;
the paper leaves it open, and the run's value is told; or it may differ without a word. What a paper does not
state is held against what is published for the method (`settings/recipes.py`), else against our defaults. So
no run that differs stands there plain.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from usb_ext.papers.found_runs import FoundRun
from usb_ext.papers.tables import PublishedNumber, protocol_rules, stated_settings
from usb_ext.papers.wanted import Wanted, fits
from usb_ext.settings.algorithms import ALGORITHMS, BASES, base_of, other_defaults
from usb_ext.settings.change import COMPARISONS, TEACHERS
from usb_ext.settings.digest import INFLUENTIAL, idle_options
from usb_ext.settings.model import default_of
from usb_ext.settings.recipes import Method, recipe_of
from usb_ext.settings.usb_options import ConsistencySettings, ThresholdSettings

OPTIONS = frozenset({*ThresholdSettings.model_fields, *ConsistencySettings.model_fields})
"""Options of algorithms, for which None is the algorithm's own default."""

FILES = ("label_file", "prior_file", "pretrain_path")
"""Settings whose files a stage makes; its settings count in their place."""


@dataclass(frozen=True)
class Verdict:
    """What a run breaks, and in what it differs.

    Attributes:
        broken: what the protocol forbids, one item a setting; empty for a run that may stand there.
        differs: what is to be told of it.
    """

    broken: tuple[str, ...] = ()
    differs: tuple[str, ...] = field(default=())


class _Held(NamedTuple):
    """What a setting is held against, who says so, and what it is in a run that does not say it."""

    value: object
    whose: str
    own: object = None


def facts_of(run: FoundRun) -> dict[str, object]:
    """The settings that decide a run's result, with what follows from them and from its files.

    Args:
        run: one with a record.
    """
    settings = run.settings
    unlabelled = int(settings["batch_size"]) * int(settings["uratio"])
    made = {"selection": run.selection, "self_supervised": run.self_supervised}
    num_val = settings["num_val"] or None
    return {**settings, **made, "num_val": num_val, "unlabelled_batch": unlabelled}


def judge(run: FoundRun, cell: PublishedNumber, want: Wanted) -> Verdict:
    """Hold a run against the protocol of a cell.

    Args:
        run: one of the cell's method, data set and number of labels.
        cell: the cell.
        want: what the cell asks for.
    """
    facts, rules = facts_of(run), protocol_rules()
    stated = _stated(cell, want)
    declared = _declared(run.record["algorithm"], want, facts, stated)
    if run.record["algorithm"] in TEACHERS:
        stated.pop("ema_m", None)
    broken: list[str] = []
    differs = [want.remark] if want.remark else []
    if cell.labels == "":
        differs.append(f"{run.record['num_labels']} labels (paper: not said)")
    for part in sorted(want.optional):
        having = "with" if part in run.record["extensions"] else "without"
        differs.append(f"{having} {part} (paper: not said)")
    for name in _compared(run, stated, rules["free"]):
        held = stated.get(name) or _by_default(name, declared)
        value = facts.get(name)
        if value is None and name in declared:
            value = declared[name].own
        if held is None or (name in OPTIONS and value is None) or fits(value, held.value):
            continue
        must = name in rules["left_out"] or isinstance(held.value, bool | str) and name in OPTIONS
        if name == "self_supervised":
            must = value is not None
        (broken if must else differs).append(_told(name, value, held))
    differs += [f"{n} {facts[n]} (paper: not said)" for n in rules["told"] if n not in stated]
    differs += _of_stages(facts)
    return Verdict(tuple(broken), tuple(differs))


def _stated(cell: PublishedNumber, want: Wanted) -> dict[str, _Held]:
    """What the paper states, and what its row requires."""
    own = {**want.stated, **want.required}
    if weights := re.match(r"(\S+) initial weights", cell.setting):
        own |= {"self_supervised": weights[1].lower()} if weights[1] != "random" else {}
    found = {**stated_settings(cell.table, cell.dataset, cell.method), **own}
    return {name: _Held(value, "paper") for name, value in found.items()}


def _declared(
    algorithm: str, want: Wanted, facts: Mapping[str, object], stated: Mapping[str, _Held]
) -> Mapping[str, _Held]:
    """The method's own settings: what is published for it, else its defaults."""
    base = want.base if want.base in BASES else base_of(algorithm)
    named = ALGORITHMS.get(algorithm)
    own = {} if named is None or named.base != base else named.options
    options = {} if base is None else BASES[base].options
    defaults = {**other_defaults(algorithm, base), **options, **own}
    net = stated["net"].value if "net" in stated else facts["net"]
    recipe = recipe_of(Method(algorithm, base, None), facts["dataset"], net, whole=False)
    published = {n: v for n, v in recipe.values.items() if n not in COMPARISONS}
    held = {n: _Held(v, "default", v) for n, v in defaults.items()}
    return {**held, **{n: _Held(v, recipe.source, defaults.get(n)) for n, v in published.items()}}


def _compared(run: FoundRun, stated: Mapping[str, _Held], free: frozenset[str]) -> Iterator[str]:
    """Every name that is to be held against something: all that decide a result, but for those left free."""
    idle = idle_options(run.settings)
    names = dict.fromkeys([*stated, "selection", *INFLUENTIAL])
    skipped = (free - stated.keys()) | idle | set(FILES)
    return (n for n in names if n not in skipped)


def _by_default(name: str, declared: Mapping[str, _Held]) -> _Held | None:
    if name in declared:
        return declared[name]
    if name in OPTIONS or name not in INFLUENTIAL:
        return None
    return _Held(default_of(name), "default")


def _told(name: str, value: object, held: _Held) -> str:
    asked = held.value
    one_of = " or ".join(map(str, asked)) if isinstance(asked, tuple | list) else asked
    return f"{name} {value} ({held.whose}: {one_of})"


def _of_stages(facts: Mapping[str, object]) -> Iterator[str]:
    """What a stage was given that is not its default; the choice of images itself is `selection`."""
    for name in FILES:
        head, _, given = str(facts[name]).partition("made with ")
        items = [] if head else given.split(", ")
        own = ("features ", "as3l_strategy ", "default settings", "ssl_method ")
        if odd := [item for item in items if item and not item.startswith(own)]:
            yield f"{name} made with {', '.join(odd)}"
