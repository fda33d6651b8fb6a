"""`usb_ext.add_extension`; that an added one trains is shown in `tests/docs/test_snippets.py`."""

import pytest

import usb_ext
from usb_ext.methods.step.registry import EXTENSIONS


def test_names_are_taken_once(registries: None) -> None:
    with pytest.raises(ValueError, match="grad_relu"):
        usb_ext.add_extension(EXTENSIONS["grad_relu"])
