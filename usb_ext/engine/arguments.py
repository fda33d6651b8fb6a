"""From settings to the namespace that USB's classes read.

Options that an algorithm declares and the settings leave open get the algorithm's own default, so the
resolved settings of a run name every value it used.
"""

from argparse import Namespace
from typing import Any

from usb_ext.methods.registry import EXTENSIONS
from usb_ext.settings import Settings
from usb_ext.upstream.usb_algorithms import forced_settings

UNDISTRIBUTED = {
    "distributed": False,
    "world_size": 1,
    "rank": 0,
    "multiprocessing_distributed": False,
}


def resolved(settings: Settings, classes: tuple[type, ...]) -> Settings:
    """The settings with every option of the algorithm filled in.

    Args:
        settings: as given by the user.
        classes: the classes the run is composed of; each that has `get_argument` declares options.

    Returns:
        New settings; options of other algorithms and extensions stay open.
    """
    values = settings.model_dump()
    idle = _idle_options(settings)
    for declared in declarations(classes):
        name = declared.name.lstrip("-")
        if values.get(name) is None and name not in idle:
            values[name] = declared.default
    values.update(forced_settings(classes))
    if values["label_seed"] is None:
        values["label_seed"] = values["seed"]
    return Settings.model_validate(values)


def _idle_options(settings: Settings) -> set[str]:
    """Options of extensions that the run has not: they stay open, and out of its hash."""
    idle = (e for name, e in EXTENSIONS.items() if name not in settings.active_extensions)
    return {declared.name.lstrip("-") for e in idle for declared in e.arguments()}


def declarations(classes: tuple[type, ...]) -> list[Any]:
    """The options that the classes declare, the first declaration of a name first."""
    found: dict[str, Any] = {}
    for part in classes:
        get_argument = getattr(part, "get_argument", None)
        for declared in (get_argument() if get_argument is not None else None) or []:
            found.setdefault(declared.name, declared)
    return list(found.values())


def build_namespace(settings: Settings, parts: Any) -> Namespace:
    """What USB calls `args`.

    Args:
        settings: resolved settings.
        parts: what the stage prepared; kept as `args.parts` for the engine.

    Returns:
        A namespace with every setting, USB's distributed keys switched off, and `gpu` naming the
        device.
    """
    values = {**settings.model_dump(), **UNDISTRIBUTED}
    values["amp"] = settings.amp != "off"
    values["gpu"] = parts.device
    values["pretrain_path"] = settings.pretrain_path or ""
    return Namespace(**values, parts=parts)
