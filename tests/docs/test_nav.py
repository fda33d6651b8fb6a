"""Every page of the documentation stands in its table of contents, once."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
LEFT_OUT = "compare.md"
"""mkdocs.yml's `not_in_nav`: what a comparison writes beside its page."""


def _pages(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for inner in node.values():
            yield from _pages(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _pages(inner)


def test_each_page_is_in_the_table_of_contents() -> None:
    listed = Counter(_pages(YAML(typ="safe").load(ROOT / "mkdocs.yml")["nav"]))
    docs = ROOT / "docs"
    there = {str(p.relative_to(docs)) for p in docs.rglob("*.md") if p.name != LEFT_OUT}
    assert sorted(listed.elements()) == sorted(there)
