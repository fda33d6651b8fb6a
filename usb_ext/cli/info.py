"""The catalogue stage: which algorithms, bases, extensions, networks and data sets there are."""

from usb_ext.algorithms.bases import RULES
from usb_ext.data.sets import OWN
from usb_ext.methods.named import NAMED, register
from usb_ext.methods.registry import EXTENSIONS
from usb_ext.upstream.nets import net_names
from usb_ext.upstream.usb import ALGORITHMS, IMB_ALGORITHMS
from usb_ext.upstream.usb_datasets import AUDIO, IMAGES
from usb_ext.upstream.usb_texts import TEXTS


def catalogue() -> str:
    """The names as a text of a few lines."""
    register()
    named = [_named(name) for name in NAMED]
    usb = [name for name in sorted(ALGORITHMS.keys()) if name not in NAMED and name not in RULES]
    extensions = [f"  {e.name}: {_first_line(e)}" for e in EXTENSIONS.values()]
    return "\n".join(
        [
            "algorithms of usb_ext:",
            *named,
            f"bases (any extension goes on any of them): {', '.join(RULES)}",
            "extensions:",
            *extensions,
            f"USB's other algorithms: {', '.join(usb)}",
            f"USB's imbalanced algorithms (--imb_algorithm): {', '.join(sorted(IMB_ALGORITHMS.keys()))}",
            f"networks: {', '.join(net_names())}",
            f"data sets: {', '.join((*OWN, *IMAGES, *TEXTS, *AUDIO))}",
        ]
    )


def _named(name: str) -> str:
    algorithm = NAMED[name]
    parts = " + ".join((algorithm.default_base, *algorithm.default_extensions))
    return f"  {name}: {_first_line(algorithm)} [{parts}]"


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().splitlines()[0]
