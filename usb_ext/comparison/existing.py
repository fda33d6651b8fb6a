"""What a comparison finds of its runs: completed, to be done, failed before, or of other settings."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from usb_ext.atomic_files import write_json
from usb_ext.comparison.plan import Planned
from usb_ext.comparison.records import read_result
from usb_ext.core.errors import SettingsError
from usb_ext.settings import config_sha256, differing_keys, load_settings


def refuse_other_settings(plan: Sequence[Planned]) -> None:
    """Stop before any run if one of the folders holds a run of other settings.

    Args:
        plan: runs with resolved settings.

    Raises:
        SettingsError: the folder, the keys and both values.
    """
    said = [f"{run.folder.path} ({difference})" for run in plan if (difference := _difference(run))]
    if said:
        more = f" and {len(said) - 3} more" if len(said) > 3 else ""
        raise SettingsError(
            f"runs made with other settings: {'; '.join(said[:3])}{more}; give the same settings, "
            "another --out, or the method another label (LABEL=NAME:setting=value)"
        )


def _difference(run: Planned) -> str:
    """In words, how the run in the folder differs; empty if it does not or there is none."""
    raw = read_result(run.folder.result)
    if raw and raw.get("config_sha256") == config_sha256(run.settings):
        return ""
    if not run.folder.occupied():
        return ""
    try:
        stored = load_settings(run.folder.config).settings.model_dump(mode="json")
    except SettingsError as error:
        return f"its settings cannot be read: {error}"
    keys = differing_keys(stored, run.settings.model_dump(mode="json"))
    return ", ".join(f"{key} {then} then, {now} now" for key, (then, now) in keys.items())


def completed(run: Planned) -> bool:
    """Whether the run is done and need not be trained again (its settings are the plan's)."""
    raw = read_result(run.folder.result)
    return raw is not None and raw.get("status") == "completed"


class Failures:
    """`failed.json`: runs that failed, so that the same failure is not trained again.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, dict[str, Any]] = {}
        if path.exists():
            try:
                self.known = dict(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError) as error:
                raise SettingsError(f"{path} cannot be read ({error}); delete it") from error

    def reason(self, run: Planned) -> str | None:
        """Why this run failed, if it did with these settings."""
        entry = self.known.get(run.name)
        if entry is None or entry["config_sha256"] != config_sha256(run.settings):
            return None
        return str(entry["reason"])

    def add(self, run: Planned, reason: str) -> None:
        """Note a failure."""
        self.known[run.name] = {"config_sha256": config_sha256(run.settings), "reason": reason}
        self._write()

    def forget(self, run: Planned) -> None:
        """Drop a run's failure, because it is tried again."""
        if self.known.pop(run.name, None) is not None:
            self._write()

    def _write(self) -> None:
        write_json(self.path, dict(sorted(self.known.items())))
