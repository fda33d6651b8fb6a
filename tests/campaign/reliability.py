"""The page `docs/reliability.md`, from what the campaigns have written.

    python tests/campaign/reliability.py kills.json settings.json damage.json disks.json > docs/reliability.md

Each file is the `--json` of the campaign that it is named after.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from usb_ext.core.runtime import device_name

HEAD = """# Reliability

What was tried to make a run lose something, mistake something, or end in a traceback. Each campaign
draws its cases from a seed, compares what comes of a case with what comes without it, and is run
again by its command; a small part of each is in the test suite (`tests/campaign/`).

- *ok*: the same result, bit for bit where something was trained, as without the damage, the kill or
  the odd place
- *told*: one sentence with what is wrong and what helps; nothing of anybody's is lost
- *failed*: anything else: a traceback, a hang, another result without a word, something lost or
  stuck
"""
TITLES = {
    "kills": "Kills, and the same command again",
    "settings": "Settings: mutated files, edge values, runs of two steps",
    "damage": "Damaged files",
    "disks": "Full disks, read-only folders, odd places",
}
LEFT = """
## Left over

- A letter flipped in a file that a person writes (settings, label CSV, lists of positions or of
  classes) may make another valid one, and an image may decode to other pixels: a first run takes
  what it finds. A run that goes on, a comparison and every stage compare the data with `data.json`
  and name what differs.
- `metrics.jsonl` of a run that goes on is checked against its checkpoint: rows that were changed or
  lost are said in a warning, and are not brought back. Weights and scores do not hang on them.
- A settings file may be a pipe (`--c <(...)`), so one that nobody writes into is waited for.
"""


def row(name: str, found: Mapping[str, Any]) -> str:
    """A kind of cases as a line of a table."""
    failed = found["failed"] if isinstance(found["failed"], int) else len(found["failed"])
    told = found.get("told", found.get("refused", "-"))
    return f"| {name} | {found['tried']} | {found['ok']} | {told} | {failed} |"


def section(name: str, report: Mapping[str, Any]) -> str:
    """A campaign: how it was run, and its figures by kind."""
    size = f" --n {report['n']}" if "n" in report else ""
    failures = [
        f"- failed: {one.get('case', one.get('death'))}: {one.get('why', one.get('end'))}"
        for found in report["kinds"].values()
        for one in found.get("failures", found["failed"])
    ]
    return "\n".join(
        [
            f"\n## {TITLES[name]}\n",
            f"`python tests/campaign/{name}.py{size} --seed {report['seed']} --json {name}.json`, "
            f"commit {str(report['commit'])[:12]}\n",
            "| kind | tried | ok | told | failed |\n|---|---|---|---|---|",
            *(row(kind, found) for kind, found in report["kinds"].items()),
            *(["", *failures] if failures else []),
        ]
    )


def page(reports: Mapping[str, Mapping[str, Any]], hardware: str) -> str:
    """The whole page.

    Args:
        reports: by name of the campaign.
        hardware: in words.
    """
    parts = [section(name, reports[name]) for name in TITLES if name in reports]
    return f"{HEAD}\nHardware: {hardware}.\n" + "\n".join(parts) + "\n" + LEFT


def main(words: Sequence[str]) -> int:
    """Print the page."""
    import torch

    torch.set_num_threads(1)
    reports = {Path(word).stem: json.loads(Path(word).read_text()) for word in words}
    sys.stdout.write(page(reports, device_name(torch.device("cpu"))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
