"""The project's pages, and what stands in their fenced blocks."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = [
    *(ROOT / name for name in TOP),
    ROOT / "patches" / "README.md",
    *sorted(DOCS.rglob("*.md")),
]


def blocks(page: Path, language: str) -> list[str]:
    """The text of a page's fenced blocks of a language, in order."""
    found = FENCED.findall(page.read_text(encoding="utf-8"))
    return [text for kind, text in found if kind == language]


def name_of(page: Path) -> str:
    """A page's path from the top of the repository, as tests are named after."""
    return str(page.relative_to(ROOT))
