"""HTML of a page: every text is escaped, nothing comes from outside, and it is well formed."""

import re
from html.parser import HTMLParser

from usb_ext.reporting.page import Cell, Figure, Grid, Page, Section, html, plain

EVIL = "<script>alert(1)</script> & \"'><img src=http://x>"
VOID = {"meta", "img", "br"}


class Read(HTMLParser):
    """The tags, what is open, and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def evil_page() -> Page:
    picture = Figure("data:image/png;base64,AAAA", [EVIL, EVIL])
    everything = Section(
        EVIL, [EVIL], [(EVIL, EVIL)], picture, [plain(EVIL, [EVIL], [[EVIL]], EVIL)], [picture]
    )
    folded = Section(EVIL, gallery=[Figure(None, [EVIL])], folded=True)
    return Page(EVIL, [EVIL], [EVIL], [everything, folded])


def test_no_text_becomes_a_tag() -> None:
    text = html(evil_page())
    read = Read(text)
    assert read.open == []
    assert "script" not in {tag for tag, _ in read.seen}
    assert "<script" not in text and "http" not in re.sub(r"http-equiv|http://x", "", text)
    assert "".join(read.text).count(EVIL) >= 14
    alts = [found["alt"] for tag, found in read.seen if tag == "img"]
    assert alts == [EVIL, EVIL]


def test_nothing_is_fetched() -> None:
    for tag, found in Read(html(evil_page())).seen:
        for name in ("src", "href", "srcset", "action"):
            value = found.get(name)
            assert value is None or value.startswith("data:"), (tag, value)
        assert not any(name.startswith("on") for name in found)
    assert "default-src 'none'" in html(Page("", []))


def test_shades() -> None:
    cells = [[Cell("a"), Cell("7", 1.0), Cell("0", 0.0)]]
    text = html(Page("t", [], sections=[Section("s", grids=[Grid("", "abc", cells)])]))
    assert "<td>a</td>" in text and '0.60)">7</td>' in text and '0.00)">0</td>' in text
    assert "<caption>" not in text and "Not known" not in text
