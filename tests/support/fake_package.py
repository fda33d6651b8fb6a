"""A small package on disk that USB could do without, and what importing it binds."""

import importlib.util
import sys
from typing import Any

from usb_ext.upstream import stand_ins
from usb_ext.upstream.loading import deferred_imports

WORKS = """
import enum
class Model:
    loaded = None
    def __init__(self, size=1): self.size = size
    @classmethod
    def from_pretrained(cls, name): cls.loaded = name; return cls(7)
class Padding(enum.Enum):
    LONGEST = "longest"
def collate(rows, times=1): return sum(rows) * times
"""


def bind() -> dict[str, Any]:
    """What the import statements of a file of USB would bind."""
    bound: dict[str, Any] = {}
    with deferred_imports():
        exec("import usbfake\nfrom usbfake import Model, Padding, collate", bound)
        exec("from usbfake.deep.er import Far", bound)
        assert sys.modules["usbfake"].__path__ == []
        assert importlib.util.find_spec("usbfake") is not None
    assert not [name for name in sys.modules if name.startswith("usbfake")]
    assert not stand_ins.deferring
    return bound
