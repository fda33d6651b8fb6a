"""What pages take from elsewhere, so that it is written once: a file, or what a command prints.

<!-- file: CONTRIBUTING.md -->          the file; below a heading of the page without its own
<!-- output: usb-ext train --help -->   what the command prints
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
FILE = re.compile(r"^<!-- file: (\S+) -->$", re.M)
OUTPUT = re.compile(r"^<!-- output: usb-ext (.+) -->$", re.M)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with its marks filled in; mkdocs calls it for each page."""
    titled = markdown.lstrip().startswith("# ")
    filled = FILE.sub(lambda found: _file(found[1], titled), markdown)
    return OUTPUT.sub(lambda found: _output(found[1]), filled)


def _file(name: str, titled: bool) -> str:
    """A file, its links as they are seen from `docs/`."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if titled:
        text = text.partition("\n")[2]
    text = text.replace("](docs/", "](")
    return re.sub(r"\]\(([A-Z]+\.md)\)", lambda link: f"]({PAGES[link[1]]})", text)


def _output(words: str) -> str:
    """What a command prints, as a block of text."""
    command = [sys.executable, "-W", "ignore", "-m", "usb_ext", *words.split()]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return f"```text\n{done.stdout.rstrip()}\n```"
