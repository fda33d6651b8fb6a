"""What a page consists of, and the HTML of it; the template escapes every text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from jinja2 import Environment, StrictUndefined


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what stands there.
        shade: how dark it is, in [0, 1]; None for none.
    """

    text: str
    shade: float | None = None


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        title: above it.
        header: names of the columns.
        rows: as many cells each as the header has.
        note: below it; may be empty.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        address: a data URI; None leaves the place empty.
        caption: lines below it.
    """

    address: str | None
    caption: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A part of a page, each of whose parts may be empty.

    Attributes:
        title: its heading.
        lines: sentences.
        facts: names and values.
        picture: a wide one.
        grids: tables.
        gallery: small pictures.
        folded: it is closed at first.
    """

    title: str
    lines: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    picture: Figure | None = None
    grids: Sequence[Grid] = ()
    gallery: Sequence[Figure] = ()
    folded: bool = False


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: its name.
        summary: lines at the top.
        unknown: what the page cannot say, and why.
        sections: in order.
    """

    title: str
    summary: Sequence[str]
    unknown: Sequence[str] = ()
    sections: Sequence[Section] = field(default_factory=tuple)


def plain(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> Grid:
    """A table of texts without shades."""
    return Grid(title, header, [[Cell(text) for text in row] for row in rows], note)


def html(page: Page) -> str:
    """The page, one file without outside parts."""
    source = files("usb_ext.reporting").joinpath("templates/page.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source).render(page=page)
