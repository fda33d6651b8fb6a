"""Which classes a run is made of (an algorithm, perhaps an imbalanced one, the engine) and its arguments.

Options that an algorithm declares and the settings leave open get the algorithm's own default, so the
resolved settings of a run name every value it used. The namespace that USB's classes read is made of
them.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from usb_ext.core.errors import SettingsError
from usb_ext.core.processes import world
from usb_ext.engine.engine import Engine
from usb_ext.engine.parts import Parts, Watch
from usb_ext.methods.as3l.consistency import watch_consistency
from usb_ext.methods.influence.boundary import watch_boundary
from usb_ext.methods.layermatch.grad_relu import WithGradReLU
from usb_ext.methods.layermatch.mechanism import watch_mechanism
from usb_ext.methods.named import NAMED, on_base, register
from usb_ext.methods.step.registry import RULES
from usb_ext.methods.step.step import WeakStrong
from usb_ext.settings import Settings
from usb_ext.settings.digest import idle_options
from usb_ext.settings.influence import mask_of
from usb_ext.upstream.running import Arguments
from usb_ext.upstream.usb import ALGORITHMS, IMB_ALGORITHMS, SSL_Argument
from usb_ext.upstream.usb_algorithms import check_pair, forced_settings, mended

WATCHES: tuple[Watch, ...] = (
    watch_consistency,
    watch_boundary,
    watch_mechanism,
)
"""What may look on in any run, each where the settings or the data ask for it."""


def algorithm_classes(settings: Settings) -> tuple[type, ...]:
    """The algorithm's class, after the imbalanced one's or the one with Grad-ReLU if there is one.

    The bases run on our step, which equals USB's, unless `step: usb` asks for USB's class or an
    imbalanced algorithm is put on it without extensions. A base that is chosen gives its own defaults.

    Raises:
        SettingsError: for an unknown name.
    """
    register()
    name, imbalanced = settings.algorithm, settings.imb_algorithm
    if name not in ALGORITHMS:
        raise _unknown("algorithm", name, ALGORITHMS.keys())
    if imbalanced is not None and imbalanced not in IMB_ALGORITHMS:
        raise _unknown("imb_algorithm", imbalanced, IMB_ALGORITHMS.keys())
    check_pair(name, imbalanced, settings.base)
    ours = settings.step == "ours" and (imbalanced is None or settings.extensions)
    algorithm: type = on_base(name) if name in RULES and ours else ALGORITHMS[name]
    if settings.base is not None and issubclass(algorithm, WeakStrong):
        algorithm = on_base(
            settings.base, algorithm
        )  # whose options are declared with its defaults
    if imbalanced is not None:
        return IMB_ALGORITHMS[imbalanced], algorithm
    carries = settings.step == "usb" and "grad_relu" in settings.active_extensions
    return (WithGradReLU, algorithm) if carries else (algorithm,)


def _unknown(setting: str, name: str, known: Iterable[str]) -> SettingsError:
    """The refusal of a name, with the nearest one and all there are."""
    near = get_close_matches(name.lower(), list(known), n=1, cutoff=0.85)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return SettingsError(f"{setting} is {name!r}{hint}; known: {', '.join(sorted(known))}")


def is_ours(settings: Settings) -> bool:
    """Whether the run's step is ours, so that none of USB's CUDA calls is reached."""
    if settings.imb_algorithm is not None:
        return False
    return settings.algorithm in NAMED or (settings.algorithm in RULES and settings.step == "ours")


def run_class(classes: tuple[type, ...]) -> type[Engine]:
    """One class out of them, USB's way: each with its workarounds, the engine below."""
    return type("Run", (*mended(classes), Engine), {})


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
    idle = idle_options(values)
    for declared in declarations(classes):
        name = declared.name.lstrip("-")
        if values.get(name) is None and name not in idle:
            values[name] = declared.default
    values.update(forced_settings(classes))
    if "influence_mask" not in idle:
        values["influence_mask"] = mask_of(values["influence_weights"], values["influence_mask"])
    if values["label_seed"] is None:
        values["label_seed"] = values["seed"]
    return Settings.model_validate(values)


def declarations(classes: tuple[type, ...]) -> list[SSL_Argument]:
    """The options that the classes declare, the first declaration of a name first."""
    found: dict[str, SSL_Argument] = {}
    for part in classes:
        get_argument = getattr(part, "get_argument", None)
        for declared in (get_argument() if get_argument is not None else None) or []:
            found.setdefault(declared.name, declared)
    return list(found.values())


def build_namespace(settings: Settings, parts: Parts) -> Arguments:
    """What USB calls `args`.

    Args:
        settings: resolved settings.
        parts: what the stage prepared; kept as `args.parts` for the engine.

    Returns:
        A namespace with every setting, USB's distributed keys switched off, and `gpu` naming the
        device.
    """
    values = {**settings.model_dump(), **UNDISTRIBUTED}
    if not world().first:
        values.update(use_wandb=False, use_aim=False)
    values["amp"] = settings.amp != "off"
    values["gpu"] = parts.device
    values["pretrain_path"] = settings.pretrain_path or ""
    return Arguments(**values, parts=parts)
