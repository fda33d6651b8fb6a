"""A sentence about results links the page of `docs/results/` that bears it, and its numbers stand there.

What a sentence about results is, is told by a rule of thumb: a number of measurement and a word of
measurement in one block of text. Settings, versions, code and the pages of results themselves are none of it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pages import DOCS, PAGES, ROOT, name_of

RESULTS = DOCS / "results"
ELSEWHERE = ("CHANGELOG.md", "docs/changelog.md")
"""A changelog tells what was."""
NUMBER = re.compile(
    r"(?<![\w.])\d+\.\d+(?![\w.]*\.\d)|\b\d+ ?%|\b\d+ (?:s|seconds|times|GiB|GB|MB)\b"
)
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]*\.\d)")
WORD = re.compile(
    r"accurac|error|consistency|AUROC|steps a second|"
    r"\bours /|\b(mean(?! (?:0|and variance))|averages?|std|gains?"
    r"|p|costs?|takes?|faster|slower|better|worse|beats?|helps?|it/s|\w+Match)\b",
    re.I,
)
CODE = re.compile(r"^```.*?^```\s*$|^<!--.*?-->\s*$", re.M | re.S)
INLINE = re.compile(r"`[^`]*`(?: [\d.]+\b)?|\]\([^)]*\)")
SETTINGS = re.compile(r"ours[:,]|\|[^\n]*\b(setting|option|default|versions|flags|patch)")
SET = re.compile(
    r"\b(?:threshold|weight|momentum|Theorem|Lemma|Secs?\.|Eqs?\.|"
    r"Python|torch|torchvision|timm|transformers) [\d.]+(?:(?:,| or| to|) [\d.]+)*"
)
"""What is set, cited or installed is not measured."""
LINK = re.compile(r"\]\(([^)#\s]*results/[^)#\s]*)")
TEXT = [p for p in PAGES if RESULTS not in p.parents and name_of(p) not in ELSEWHERE]


def blocks_of(text: str) -> Iterator[tuple[str, str]]:
    """Each block that holds results, bare, and where its links stand: in itself, for a table also before."""
    before = ""
    for raw in re.split(r"\n\s*\n", CODE.sub("", text)):
        block = raw.strip()
        bare = SET.sub("", INLINE.sub("", block))
        if NUMBER.search(bare) and WORD.search(bare) and not SETTINGS.match(block):
            yield bare, before + block if block.startswith("|") else block
        before = block


def unborne(page: Path, text: str) -> list[str]:
    """What is wrong with a page's sentences about results."""
    found = []
    for block, around in blocks_of(text):
        linked = [(page.parent / name).resolve() for name in LINK.findall(around)]
        if not linked:
            found.append(f"no link to results: {block[:90]}")
            continue
        there = " ".join(text_of(path) for path in linked)
        known = {float(number) for number in DECIMAL.findall(there)}
        for number in DECIMAL.findall(block):
            half = 0.5001 * 10 ** -len(number.partition(".")[2])
            if not any(abs(value - float(number)) <= half for value in known):
                found.append(
                    f"{number} is not in {', '.join(p.name for p in linked)}: {block[:60]}"
                )
    return found


def text_of(path: Path) -> str:
    """A page of results with the pages of comparisons in its folder; any other file by itself."""
    assert path.is_file(), f"{path} is linked and not there"
    if path.suffix != ".md":
        return path.read_text(encoding="utf-8") if path.suffix in (".csv", ".json") else ""
    pages = path.parent.rglob("*.md") if path.parent != RESULTS else [path]
    return " ".join(page.read_text(encoding="utf-8") for page in pages)


@pytest.mark.parametrize("page", TEXT, ids=name_of)
def test_sentences_about_results_are_borne_by_a_page_of_results(page: Path) -> None:
    assert unborne(page, page.read_text(encoding="utf-8")) == []


def test_the_rule_finds_what_was_taken_back() -> None:
    page = ROOT / "README.md"
    ablation = "[runs](docs/results/digits_ablation/README.md)"
    for claim in (
        "Grad-ReLU helps here: 16.6 for 19.7 %, the opposite of Table 4.",
        "Rounding alone takes an error from 4.8 to 36.6 %.",
        "The weights tell corrupted moons apart, AUROC 0.97 to 0.99.",
        f"FixMatch + Grad-ReLU has a mean error of 16.9 ({ablation}).",
        "By method:\n\n| method | mean |\n|---|---|\n| FixMatch | 16.6 |",
    ):
        assert len(unborne(page, claim)) == 1, claim
    for fine in (
        f"FixMatch + Grad-ReLU has a mean error of 12.4 ({ablation}).",
        f"By method ({ablation}):\n\n| method | mean |\n|---|---|\n| FixMatch | 16.6 |",
        "| setting | default |\n|---|---|\n| `ema_p` | 0.999, the mean's |",
        "Python 3.11 and torch 2.15.0 take it.",
    ):
        assert unborne(page, fine) == [], fine
