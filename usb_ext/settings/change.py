"""Each method with its own recipe: what gives way in a file where the command line names another method.

A settings file is the recipe of its own method. With `--algorithm`, `--base` or `--imb_algorithm` of another
one, what the file says for its own gives way to the settings that are published for the other: USB's files as
data (`recipes.toml`), for our own algorithms what they declare (`algorithms.py`) over their base's row. Flags
win over both. Three kinds of settings are told apart:

- the method's: its options, the weight of its unlabelled loss, base, extensions and switches. They give way.
- those made for a number of steps (`LENGTH`): momenta of averages, warm-ups. They give way where the run is
  as long as USB's; else the file's stay, which was made for the length it has.
- the comparison's: data, network, optimizer, batch (`uratio` too), steps. They stay.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from usb_ext.settings.algorithms import ALGORITHMS, EXTENSIONS, base_of, parts_of
from usb_ext.settings.group import BLANKS
from usb_ext.settings.model import default_of, options_of
from usb_ext.settings.recipes import Method, Recipe, recipe_of, usb_recipe
from usb_ext.settings.usb_options import ConsistencySettings, ImbalanceSettings, ThresholdSettings

LENGTH = frozenset(
    "ema_m ema_p eman_m debiaspl_ema_p num_wu_iter num_wu_eval_iter cossl_warm_epoch cossl_tfe_warm_epoch "
    "darp_warmup_epochs darp_num_refine_iter daso_num_pretrain_iter daso_num_pl_dist_iter "
    "tras_warmup_epochs".split()
)
"""Settings whose published value was made for the published number of steps."""

COMPARISONS = frozenset({"uratio"})
"""ours: what USB's files vary between methods and a comparison holds fixed: LayerMatch, Table 7, states one
unlabelled batch for all methods, USB's scratch files have 1 for some and 7 for others."""

TEACHERS = ("meanteacher",)
"""Algorithms whose teacher is the averaged network: with ema_m 0 it is the trained one itself."""

OPTIONS = frozenset({*ThresholdSettings.model_fields, *ConsistencySettings.model_fields})
BASE_OPTIONS = OPTIONS | {"ulb_loss_ratio"}
IMBALANCE_OPTIONS = frozenset(ImbalanceSettings.model_fields) - {"imb_algorithm"}


def settle(file: Mapping[str, object], flags: Mapping[str, object]) -> dict[str, object]:
    """The settings of a file as the flags leave them: as they are, or another method's recipe among them.

    Args:
        file: values of a settings file; one that names no algorithm is nobody's recipe and stays.
        flags: values that win, as the command line gives them.

    Returns:
        The file's values that are left, published ones in their place, and under `recipe` a sentence that
        says which came from where.
    """
    was = method_of(file, {})
    now = method_of(file, flags)
    if was is None or now is None or was == now:
        return dict(file)
    change = _Change(was, now, file, flags)
    recipes = list(change.recipes())
    gone = {name for name in file if change.gives_way(name)} - change.kept(recipes)
    left = {name: value for name, value in file.items() if name not in gone}
    taken = {n: v for n, v in change.taken(recipes).items() if n not in flags}
    if taken.get("use_pretrain") is False:
        left.pop("pretrain_path", None)
    told = _sentence(change, recipes, taken, gone - taken.keys() - flags.keys(), {**left, **flags})
    return {**left, **taken, "recipe": told}


def method_of(file: Mapping[str, object], flags: Mapping[str, object]) -> Method | None:
    """The method that a file's settings and the flags over them name; None where the file names none.

    Args:
        file: values of the file.
        flags: values over them; a flag's other algorithm takes the file's base with it.
    """
    before, named = _text(file, "algorithm"), _text({**file, **flags}, "algorithm")
    if before is None or named is None:
        return None
    bases = flags if named != before else {**file, **flags}
    imbalanced = _text({**file, **flags}, "imb_algorithm")
    return Method(named, _text(bases, "base") or base_of(named), imbalanced)


def _text(values: Mapping[str, object], name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) and value not in BLANKS else None


@dataclass(frozen=True)
class _Change:
    """One method in place of another.

    Attributes:
        was: the file's.
        now: the one in its place.
        file: values of the file.
        flags: values over them.
    """

    was: Method
    now: Method
    file: Mapping[str, object]
    flags: Mapping[str, object]

    @property
    def other_algorithm(self) -> bool:
        return self.was.algorithm != self.now.algorithm

    @property
    def other_base(self) -> bool:
        """Whether options of the base give way: not between a method and an arm of it on the same base."""
        if self.was.base != self.now.base:
            return True
        return self.other_algorithm and not self._arms()

    def _arms(self) -> bool:
        names = (self.was.algorithm, self.now.algorithm)
        arms = [ALGORITHMS[name].arm_of for name in names if name in ALGORITHMS]
        return any(arm in names for arm in arms if arm)

    def value(self, name: str) -> object:
        """What the run has, where no recipe says otherwise."""
        values = {**self.file, **self.flags}
        return values[name] if name in values else default_of(name)

    def recipes(self) -> Iterator[Recipe]:
        """What is published for the parts that are other ones."""
        dataset = self.value("dataset")
        if self.other_base:
            yield recipe_of(self.now, dataset, self.value("net"), whole=self.other_algorithm)
        elif self.other_algorithm:
            ours = ALGORITHMS[self.now.algorithm]
            yield Recipe(f"usb_ext {ours.name}", ours.other_defaults)
        if self.now.imb_algorithm not in (None, self.was.imb_algorithm):
            yield usb_recipe("classic_cv_imb", str(self.now.imb_algorithm), dataset)

    def gives_way(self, name: str) -> bool:
        """Whether the file says this for its own method."""
        if name in BASE_OPTIONS:
            return self.other_base
        if name in IMBALANCE_OPTIONS:
            return self.was.imb_algorithm != self.now.imb_algorithm
        if not self.other_algorithm:
            return False
        if name in ("base", "extensions", "ulb_loss_mean", "recipe") or name in EXTENSIONS:
            return True
        asked = self.flags.get("extensions")
        asked = tuple(asked) if isinstance(asked, list | tuple) else ()
        parts = parts_of(self.now.algorithm, tuple(map(str, asked)))
        idle = (one for one in EXTENSIONS if one not in parts)
        return any(name in options_of(one) for one in idle)

    def fits(self, name: str, recipe: Recipe) -> bool:
        """Whether a published value is taken over."""
        if name in COMPARISONS:
            return False
        if name == "ema_m" and self.now.algorithm in TEACHERS and not self.value(name):
            return True
        return name not in LENGTH or recipe.steps in (None, self.value("num_train_iter"))

    def kept(self, recipes: list[Recipe]) -> set[str]:
        """Values of the file that the other method has too and that were made for this run's length."""
        return {n for one in recipes for n in one.values if n in LENGTH and not self.fits(n, one)}

    def taken(self, recipes: list[Recipe]) -> dict[str, object]:
        """The published values that are taken over, by name."""
        found = {n: v for one in recipes for n, v in one.values.items() if self.fits(n, one)}
        return {**self._without(), **found} if self.other_algorithm else found

    def _without(self) -> dict[str, object]:
        """What a method has in place of what was the file's method's own, beyond options."""
        before = ALGORITHMS.get(self.was.algorithm)
        if before is None or self._arms():
            return {}
        values = {n: v for n, v in before.elsewhere.items() if n in self.file}
        if "pretrain_path" in self.flags:
            values.pop("use_pretrain", None)
        return values


def _sentence(
    change: _Change,
    recipes: list[Recipe],
    taken: Mapping[str, object],
    gone: set[str],
    run: Mapping[str, object],
) -> str:
    """Which values came from where, in one line."""
    source = " and ".join(one.source for one in recipes if one.source) or "nothing published"
    parts = [f"{source}: {_listed(taken)}" if taken else source]
    method = BASE_OPTIONS | IMBALANCE_OPTIONS | LENGTH | COMPARISONS
    method |= {"extensions", "ulb_loss_mean", *EXTENSIONS}
    method |= {option for name in EXTENSIONS for option in options_of(name)}
    if given := {n: v for n, v in change.flags.items() if n in method}:
        parts.append(f"command line: {_listed(given)}")
    if gone:
        parts.append(f"left out of the file: {', '.join(sorted(gone))}")
    if other := list(_not_taken(change, recipes, run)):
        parts.append(f"the comparison's: {', '.join(other)}")
    return f"{_name(change.now)} in place of {_name(change.was)}; " + "; ".join(parts)


def _not_taken(change: _Change, recipes: list[Recipe], run: Mapping[str, object]) -> Iterator[str]:
    """Published values that the run does not have, with what it has."""
    for recipe in recipes:
        for name, published in sorted(recipe.values.items()):
            if change.fits(name, recipe) or name in change.flags:
                continue
            has = run.get(name, default_of(name))
            if has != published:
                own = "its default" if has is None else has
                yield f"{name} {own} (published {published})"


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items()))


def _name(method: Method) -> str:
    base = method.base if method.base not in (None, base_of(method.algorithm)) else None
    parts = [method.algorithm, f"on {base}" if base else "", f"with {method.imb_algorithm}"]
    return " ".join(part for part in parts[: 2 + bool(method.imb_algorithm)] if part)
