"""USB's TensorBoard log, made only where it is asked for."""

from pathlib import Path
from typing import Any

from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)

# isort: split
from semilearn.core.utils import TBLog


def tensorboard_log(folder: Path) -> Any:
    """A TBLog that writes to `folder/tensorboard`."""
    return TBLog(str(folder), "tensorboard", use_tensorboard=True)
