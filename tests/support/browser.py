"""The labelling page served and opened in a real browser, for tests that drive it."""

import os
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from usb_ext.labelling.stage import Labelled, label

CHROMIUM = os.environ.get("USB_EXT_CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
in_a_browser = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no browser: the labelling page is not driven (apt-get install chromium)",
)


@contextmanager
def served(
    table: Path, images: Path, classes: Sequence[str], ended: list[Labelled], **how: Any
) -> Iterator[str]:
    """Inside, the page is served; gives its address."""
    told, ready = [], threading.Event()

    def say(line: str) -> None:
        told.append(line.split()[2])
        ready.set()

    def work() -> None:
        ended.append(label(table, images, classes, open_browser=False, say=say, **how))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(60)
    yield told[0]
    thread.join(60)
    assert not thread.is_alive()


@contextmanager
def opened_browser() -> Iterator[Any]:
    """Chromium, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def wait(page: Any, text: str) -> None:
    from playwright.sync_api import expect

    expect(page).to_have_title(re.compile(f"^{text}"))


def shows(page: Any, place: str, text: str) -> None:
    from playwright.sync_api import expect

    expect(page.locator(place)).to_contain_text(text)


def wait_for_image(page: Any) -> None:
    """Until it is decoded; a promise of the page's, for the page forbids scripts that are made of text."""
    page.evaluate("document.getElementById('image').decode()")
    assert page.evaluate("document.getElementById('image').naturalWidth") > 0
