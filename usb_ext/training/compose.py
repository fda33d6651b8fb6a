"""Which classes a run is made of: an algorithm, perhaps an imbalanced one, and the engine."""

from typing import Any

import torch

from usb_ext.algorithms.bases import RULES
from usb_ext.algorithms.on_usb import WithGradReLU
from usb_ext.core.errors import SettingsError
from usb_ext.engine.engine import Engine
from usb_ext.methods.named import NAMED, on_base, register
from usb_ext.methods.step.step import WeakStrong
from usb_ext.settings import Settings
from usb_ext.upstream.nets import TEXT_AND_AUDIO, net_builder
from usb_ext.upstream.text_nets import HUB, text_net
from usb_ext.upstream.usb import ALGORITHMS, IMB_ALGORITHMS
from usb_ext.upstream.usb_algorithms import mended
from usb_ext.upstream.usb_pairs import check_pair
from usb_ext.upstream.weights import load_pretrained


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
        raise SettingsError(f"algorithm is {name!r}; known: {', '.join(sorted(ALGORITHMS.keys()))}")
    if imbalanced is not None and imbalanced not in IMB_ALGORITHMS:
        known = ", ".join(sorted(IMB_ALGORITHMS.keys()))
        raise SettingsError(f"imb_algorithm is {imbalanced!r}; known: {known}")
    check_pair(name, imbalanced)
    ours = settings.step == "ours" and (imbalanced is None or settings.extensions)
    algorithm: type = on_base(name) if name in RULES and ours else ALGORITHMS[name]
    if settings.base is not None and issubclass(algorithm, WeakStrong):
        # so that the options of that base are declared, with its defaults
        algorithm = type(algorithm.__name__, (algorithm,), {"default_base": settings.base})
    if imbalanced is not None:
        return IMB_ALGORITHMS[imbalanced], algorithm
    carries = settings.step == "usb" and "grad_relu" in settings.active_extensions
    return (WithGradReLU, algorithm) if carries else (algorithm,)


def is_ours(settings: Settings) -> bool:
    """Whether the run's step is ours, so that none of USB's CUDA calls is reached."""
    if settings.imb_algorithm is not None:
        return False
    return settings.algorithm in NAMED or (settings.algorithm in RULES and settings.step == "ours")


def run_class(classes: tuple[type, ...]) -> type:
    """One class out of them, USB's way: each with its workarounds, the engine below."""
    return type("Run", (*mended(classes), Engine), {})


def builder(settings: Settings) -> Any:
    """The network's builder, with weights loaded strictly when asked for.

    Returns:
        A callable as USB expects it; text and audio networks load their own weights.
    """
    build = net_builder(settings.net)
    own_loading = settings.net in TEXT_AND_AUDIO

    def build_net(
        num_classes: int, pretrained: bool = False, pretrained_path: str | None = None
    ) -> torch.nn.Module:
        if settings.net in HUB:
            return text_net(settings.net, num_classes, settings.pretrain_path)
        if own_loading:
            return build(
                num_classes=num_classes, pretrained=pretrained, pretrained_path=pretrained_path
            )
        net = build(num_classes=num_classes)
        return load_pretrained(net, pretrained_path or "") if pretrained else net

    return build_net
