"""Features of a folder of small pictures, as a test or a process that it starts keeps them."""

import signal
from pathlib import Path
from typing import Any

from support.images import FOLDER_RUN
from support.run import TINY
from usb_ext.as3l.frozen.made import FeaturesOrder
from usb_ext.as3l.frozen.stage import Frozen, make_features
from usb_ext.core.errors import Interrupted, ToldElsewhere
from usb_ext.core.processes import world
from usb_ext.engine.parts import Stop
from usb_ext.settings import Settings


def kept(photos: str, folder: str, stop_at: int | None = None) -> tuple[int, int]:
    """Make the features of a folder of two classes; with `stop_at`, be asked to stop at that block.

    Returns:
        The exit code, and how many blocks this process has computed.
    """
    given = {**TINY, **FOLDER_RUN, "data_dir": photos, "img_size": 16, "net": "wrn_10_1"}
    settings = Settings(**{k: v for k, v in given.items() if k in Settings.model_fields})
    stop, computed, original = Stop(), list[Any](), Frozen.features

    def features(self: Frozen, train: bool, images: range) -> Any:
        computed.append(images)
        if len(computed) == stop_at and world().rank == world().size - 1:
            stop.requested = int(signal.SIGTERM)
        return original(self, train, images)

    Frozen.features = features  # type: ignore[method-assign]
    try:
        make_features(settings, FeaturesOrder(weak=1, strong=1, out=Path(folder)), stop)
    except (Interrupted, ToldElsewhere) as error:
        return error.exit_code, len(computed)
    finally:
        Frozen.features = original  # type: ignore[method-assign]
    return 0, len(computed)
