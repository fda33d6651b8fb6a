"""The page in a real browser: keys alone, undo, two tabs, a narrow window; and the end of it."""

import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from labelling.conftest import Asked

from usb_ext.cli.main import main
from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.core.lock import LOCK, locked
from usb_ext.labelling.stage import Labelled, label

CHROMIUM = os.environ.get("USB_EXT_CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
in_a_browser = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no browser: the labelling page is not driven (apt-get install chromium)",
)


@contextmanager
def served(asked: Asked, ended: list[Labelled], **how: Any) -> Iterator[str]:
    """Inside, the page is served; gives its address."""
    told, ready = [], threading.Event()

    def say(line: str) -> None:
        told.append(line.split()[2])
        ready.set()

    def work() -> None:
        ended.append(
            label(asked.table, asked.images, ["cat", "dog"], open_browser=False, say=say, **how)
        )

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(20)
    yield told[0]
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
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


@in_a_browser
def test_five_images_by_keys_alone(asked: Asked, browser: Any, tmp_path: Path) -> None:
    ended: list[Labelled] = []
    with served(asked, ended) as address:
        page = browser.new_page()
        seen: list[str] = []
        page.on("request", lambda request: seen.append(request.url))
        page.goto(address)
        wait(page, "0 of 5")
        wait_for_image(page)
        page.keyboard.press("1")
        wait(page, "1 of 5")
        page.keyboard.press("2")
        wait(page, "2 of 5")
        assert asked.lines[1:3] == ["a/one.png,cat", "a/two.jpg,dog"]
        page.keyboard.press("u")
        wait(page, "1 of 5")
        assert asked.lines[2] == "a/two.jpg,"
        page.keyboard.press("1")
        wait(page, "2 of 5")
        page.keyboard.press("ArrowRight")  # three.tif is skipped
        page.keyboard.press("?")
        shows(page, "#mark", "unsure")
        page.keyboard.press("n")
        page.keyboard.type("cow")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="cow", exact=False).wait_for()
        page.keyboard.press("3")
        wait(page, "3 of 5")
        page.reload()
        wait(page, "3 of 5")
        assert page.locator("#name").text_content() == "three.tif"
        page.select_option("#filter", "unsure")
        shows(page, "#name", "vier ü.webp")
        page.select_option("#filter", "all")
        page.get_by_role("button", name="done").click()
        page.get_by_text("3 of 5 images are labelled").wait_for()
        page.close()
    assert {url.split("/")[2] for url in seen} == {address.split("/")[2]}
    assert asked.lines == [
        *(
            "id,class",
            "a/one.png,cat",
            "a/two.jpg,cat",
            "three.tif,",
            "vier ü.webp,cow",
            "five.bmp,",
        ),
    ]
    assert asked.table.with_name("unsure.txt").read_text(encoding="utf-8") == "vier ü.webp\n"
    assert ended == [Labelled(3, 5, ("cat", "dog", "cow"))]


@in_a_browser
def test_two_tabs_lose_no_answer(asked: Asked, browser: Any) -> None:
    with served(asked, []) as address:
        one, two = browser.new_page(), browser.new_page()
        for page in (one, two):
            page.goto(address)
            wait(page, "0 of 5")
        one.keyboard.press("1")
        wait(one, "1 of 5")
        two.keyboard.press("2")
        two.get_by_text("was answered elsewhere meanwhile: cat").wait_for()
        assert asked.lines[1] == "a/one.png,cat"
        two.keyboard.press("2")
        wait(two, "1 of 5")
        shows(two, "#name", "a/two.jpg")
        assert asked.lines[1] == "a/one.png,dog"
        two.get_by_role("button", name="done").click()
        two.get_by_text("images are labelled").wait_for()
        one.close(), two.close()


@in_a_browser
@pytest.mark.parametrize("width", [400, 1200])
def test_nothing_lies_outside_the_window(
    asked: Asked, browser: Any, width: int, tmp_path: Path
) -> None:
    with served(asked, [], new_classes=False) as address:
        page = browser.new_page(viewport={"width": width, "height": 700})
        page.goto(address)
        wait(page, "0 of 5")
        wait_for_image(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("#image").bounding_box()["height"] > 250
        assert not page.get_by_role("button", name="new class").is_visible()
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        page.screenshot(path=tmp_path / "page.png")
        page.get_by_role("button", name="done").click()
        page.get_by_text("images are labelled").wait_for()
        page.close()


def test_a_port_in_use_and_a_second_process_are_one_line(asked: Asked) -> None:
    with served(asked, []) as address:
        port = int(address.split(":")[2].split("/")[0])
        with pytest.raises(RunFailed):
            label(asked.table, asked.images, [], open_browser=False)
        other = asked.table.parent.parent / "other"
        other.mkdir()
        copy = Path(shutil.copy(asked.table, other))
        with pytest.raises(SettingsError, match=f"--port {port}"):
            label(copy, asked.images, [], port=port, open_browser=False)
        finish(address)
    for wrong in (-1, 70000):
        with pytest.raises(SettingsError, match=f"--port {wrong}"):
            label(asked.table, asked.images, [], port=wrong, open_browser=False)
    with locked(asked.table.parent / LOCK, "a test"):
        pass


def finish(address: str) -> None:
    import httpx

    with httpx.Client(base_url=address.split("?")[0], follow_redirects=True) as client:
        client.get(address)
        assert client.post("/done", json={}).status_code == 200


def test_the_command(asked: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", str(tmp_path / "nowhere")]) == 3
    assert main(["label", str(asked.table)]) == 2
    assert capsys.readouterr().err.count("\n") == 2
    tasks = tmp_path / "tasks.json"
    tasks.write_text('[{"image": "one.png", "choice": "cat"}]')
    words = ["label", str(asked.images), "--out", str(tmp_path / "labels.csv")]
    assert main([*words, "--import", str(tasks)]) == 0
    assert "a/one.png,cat" in (tmp_path / "labels.csv").read_text().splitlines()
    assert main([*words, "--export", str(tmp_path / "out.json")]) == 0
    assert "1 of 5 images labelled" in capsys.readouterr().out
    assert main([*words, "--export", str(tmp_path / "out.json")]) == 2


def test_a_check_has_a_table_of_its_own(
    asked: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "given.csv"
    given.write_text("one.png,cat\ntwo.jpg,\n", encoding="utf-8")
    words = ["label", str(asked.images), "--out", str(tmp_path / "check.csv"), "--check", "4"]
    words += ["--except", str(given), "--export", str(tmp_path / "e.json"), "--seed", "1"]
    assert main(words) == 0
    names = {
        line.split(",")[0] for line in (tmp_path / "check.csv").read_text("utf-8").splitlines()[1:]
    }
    assert names == {"a/two.jpg", "three.tif", "vier ü.webp", "five.bmp"}
    assert main(["label", str(asked.images), "--except", str(given)]) == 2
    assert (
        main([*words[:3], str(tmp_path / "other.csv"), "--check", "5", "--except", str(given)]) == 2
    )
    assert "use 1 to 4" in capsys.readouterr().err
