"""The methods' published settings: USB's files as data (`recipes.toml`), our own algorithms' as declared.

What USB's files of one family say of a method stands in one row. Our own algorithms have their base's row and
what `algorithms.py` declares over it. `change.py` says when a recipe takes the place of a file's values.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from usb_ext.settings.algorithms import ALGORITHMS, BASES
from usb_ext.settings.data import AUDIO, TEXTS


class Method(NamedTuple):
    """What names a method in the settings; `base` is the one in force."""

    algorithm: str
    base: str | None
    imb_algorithm: str | None


@dataclass(frozen=True)
class Recipe:
    """Published settings of a method.

    Attributes:
        source: where they stand, such as `USB usb_cv/meanteacher`; empty where nothing is published.
        values: by name of the setting.
        steps: the length of the published runs; None where it is not known.
    """

    source: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    steps: int | None = None


@cache
def published_rows() -> Mapping[str, Any]:
    """`recipes.toml`: family -> method -> values, and under `on` data set -> method -> other values."""
    text = files("usb_ext").joinpath("settings", "recipes.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def family_of(dataset: object, net: object) -> str:
    """Which of USB's families of settings files a run is nearest to.

    ours: images with a vision transformer are `usb_cv`, with any other network `classic_cv`.

    Args:
        dataset: the setting.
        net: the setting.
    """
    if dataset in TEXTS:
        return "usb_nlp"
    if dataset in AUDIO:
        return "usb_audio"
    return "usb_cv" if str(net).startswith("vit_") else "classic_cv"


def usb_recipe(family: str, name: str, dataset: object) -> Recipe:
    """A row of `recipes.toml` with what it has for a data set.

    Args:
        family: such as `usb_cv`.
        name: an algorithm, or with `classic_cv_imb` an imbalanced one.
        dataset: the setting.
    """
    table = published_rows()[family]
    row = table.get(name)
    if not isinstance(row, Mapping) or name == "on":
        return Recipe()
    values = {**row, **table.get("on", {}).get(str(dataset), {}).get(name, {})}
    steps = values.pop("num_train_iter", table["num_train_iter"])
    return Recipe(f"USB {family}/{name}", values, steps)


def recipe_of(method: Method, dataset: object, net: object, *, whole: bool = True) -> Recipe:
    """What is published for an algorithm: USB's row, or its base's with what the algorithm declares over it.

    Args:
        method: its imbalanced algorithm has a row of its own (`usb_recipe`).
        dataset: the setting.
        net: the setting.
        whole: also what is the algorithm's beyond its base, such as AS3L's choice of images.
    """
    ours = ALGORITHMS.get(method.algorithm)
    name = method.base if ours is not None and method.base is not None else method.algorithm
    found = usb_recipe(family_of(dataset, net), name, dataset)
    base = BASES.get(method.base or "")
    if base is not None and not base.in_usb:
        values = {**base.options, **base.other_defaults}
        found = Recipe(f"usb_ext {base.name} ({base.paper})", values)
    if ours is None:
        return found
    source = " over ".join(filter(None, [f"usb_ext {ours.name}", found.source]))
    options = {n: v for n, v in ours.options.items() if base is None or n in base.options}
    own = {**options, **(ours.other_defaults if whole else {}), **ours.published}
    return Recipe(source, {**found.values, **own}, found.steps)
