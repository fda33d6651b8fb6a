"""Links, pictures and paths that pages name are there; tables of settings say what the settings say."""

import re
from pathlib import Path

import pytest
from support.pages import DOCS, PAGES, ROOT, TOP, name_of
from test_layers import INSIDE, ROOMS

import usb_ext
from usb_ext.settings.algorithms import BASES

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:usb_ext|config|docs|tests|patches|\.ci)/[\w./-]*)`")
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
TABLE = re.compile(r"^\| setting \| default \| meaning \|\n\|[-|]+\|\n((?:\|.*\n)+)", re.M)
OWN_TABLE = re.compile(
    r"^\| option of `(\w+)` \| default \| meaning \|\n\|[-|]+\|\n((?:\|.*\n)+)", re.M
)
INSIDE_PACKAGE = re.compile(rf"`((?:{'|'.join(ROOMS)})/[\w./]*)`")
README_LINES, README_LINKS = 120, 7


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as mkdocs and GitHub make them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.M)
    plain = (re.sub(r"[^\w\s-]", "", title.lower()).strip() for title in titles)
    return {re.sub(r"[\s-]+", "-", title) for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_pictures_resolve(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.is_file(), target
        assert found.is_relative_to(ROOT)
        assert not anchor or anchor in anchors(found), target


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=name_of)
def test_a_page_links_pages_only(page: Path) -> None:
    """What lies outside `docs/` is named, not linked: the built pages have it not."""
    for target in LINK.findall(prose(page)):
        path = target.partition("#")[0]
        if path and "://" not in path:
            assert (page.parent / path).resolve().is_relative_to(DOCS), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_that_pages_name_exist(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return  # what was
    for name in PATH.findall(prose(page)):
        assert (ROOT / name).exists(), name


def test_the_readme_is_one_screen() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= README_LINES
    assert text.split("## Read on\n")[1].count("](docs/") == README_LINKS
    assert re.search(r"!\[[^\]]+\]\(docs/results/", text)


def test_ci_finds_its_test_command() -> None:
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"<!-- test command -->\n```bash\n(.*?)```\n", text, re.S)
    assert block == 'pip install -e ".[test]" && pytest -n auto --dist loadfile\n'


def test_every_file_of_the_top_is_in_the_pages() -> None:
    included = "".join(page.read_text() for page in DOCS.glob("*.md"))
    for name in (*TOP, "patches/README.md"):
        assert f"<!-- file: {name} -->" in included


def test_the_table_of_rooms_is_the_order_of_the_imports() -> None:
    text = (DOCS / "architecture.md").read_text()
    rooms = re.findall(r"^\| `(\w+)/` \|", text, re.M)
    assert tuple(rooms) == ROOMS[::-1]
    floors = text.split("Two rooms have floors")[1].split("\n\n")[0]
    for room in ("methods", "as3l"):
        told = floors.split(f"In `{room}/`")[1]
        places = [told.index(f"`{inner}/`") for inner in INSIDE[room] if inner]
        assert places == sorted(places), room


def test_the_files_that_architecture_names_exist() -> None:
    text = prose(DOCS / "architecture.md")
    named = set(INSIDE_PACKAGE.findall(text))
    assert len(named) > 20
    for name in named:
        assert (Path(usb_ext.__file__).parent / name).exists(), name


@pytest.mark.parametrize("page", sorted((DOCS / "papers").glob("*.md")), ids=lambda p: p.stem)
def test_tables_of_settings_say_the_defaults(page: Path) -> None:
    fields = usb_ext.Settings.model_fields
    tables = TABLE.findall(page.read_text())
    assert tables or page.stem in ("index", "tables")
    for row in "".join(tables).splitlines():
        names, default, _ = (cell.strip() for cell in row.strip("|").split("|"))
        settings = re.findall(r"`(\w+)`", names)
        shown = [value.strip() for value in default.split(",")]
        assert shown in ([str(fields[name].default) for name in settings], [shown[0]])
        assert {str(fields[name].default) for name in settings} == set(shown), row


def test_tables_of_a_bases_own_options_say_its_defaults() -> None:
    tables = [
        t for page in (DOCS / "papers").glob("*.md") for t in OWN_TABLE.findall(page.read_text())
    ]
    assert {base for base, _ in tables} == {"instant"}
    for base, table in tables:
        rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
        shown = {name.strip("`"): default for name, default, _ in rows}
        assert shown == {name: str(value) for name, value in BASES[base].options.items()}


def test_results_are_linked_from_their_overview() -> None:
    overview = (DOCS / "results" / "README.md").read_text()
    for folder in (DOCS / "results").iterdir():
        assert folder.is_file() or f"({folder.name}/README.md)" in overview
