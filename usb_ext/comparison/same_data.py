"""Whether the runs that a comparison finds were made from the data that its settings name now."""

from collections.abc import Callable, Sequence
from typing import Any

from usb_ext.comparison.plan import Planned
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.folders import occupied
from usb_ext.data.fingerprint import (
    INPUTS,
    Fingerprint,
    differences,
    fingerprint_of,
    read_fingerprint,
)
from usb_ext.data.sets import open_source
from usb_ext.settings import Settings
from usb_ext.settings.data import DatasetSettings, ToySettings

DECIDING = tuple(dict.fromkeys([*DatasetSettings.model_fields, *ToySettings.model_fields, *INPUTS]))
"""Settings that decide which data a run has, beside the user's modules that take part."""

OF_MODULES = ("plugin", "net", "algorithm", "base", "active_extensions")
"""What decides which of the user's modules take part."""

_SHOWN = 3


class DataNow:
    """The data of runs as they are now, looked at once for all runs that share them."""

    def __init__(self) -> None:
        self._found: dict[str, Fingerprint | DataMissing] = {}

    def of(self, settings: Settings) -> Fingerprint:
        """The data of a run.

        Raises:
            DataMissing: they are not there.
        """
        names = (*DECIDING, *OF_MODULES, "use_pretrain")
        key = repr([getattr(settings, name) for name in names if name != "num_labels"])
        if key not in self._found:
            self._found[key] = _look(settings)
        found = self._found[key]
        if isinstance(found, DataMissing):
            raise found
        return found

    def sha256(self, run: Planned) -> str | None:
        """Digest of a run's data; None where they are not there."""
        try:
            return self.of(run.settings).sha256
        except DataMissing:
            return None

    def forget(self) -> None:
        """Look again: files that settings name have been made meanwhile."""
        self._found.clear()


def _look(settings: Settings) -> Fingerprint | DataMissing:
    try:
        return fingerprint_of(settings, open_source(settings))
    except DataMissing as error:
        return error


def refuse_other_data(plan: Sequence[Planned], data: DataNow, say: Callable[[str], Any]) -> None:
    """Stop before any run if one of the folders holds a run on other data.

    Args:
        plan: runs with resolved settings.
        data: what the data are now.
        say: shows a line.

    Raises:
        SettingsError: the folders, and what differs.
    """
    said, unchecked = [], dict[str, int]()
    for run in plan:
        if not occupied(run.folder.path):
            continue
        then = read_fingerprint(run.folder.path)
        if then is None:
            _count(unchecked, "they are of an older version, which kept no record of them")
            continue
        try:
            found = differences(then, data.of(run.settings))
        except DataMissing as error:
            _count(unchecked, str(error))
            continue
        if found:
            said.append(f"{run.folder.path} ({'; '.join(found)})")
    for why, count in unchecked.items():
        say(f"the data of {count} runs that are there could not be checked: {why}\n")
    if said:
        more = f" and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
        raise SettingsError(
            f"runs made from other data: {'; '.join(said[:_SHOWN])}{more}; name the data that they had, or "
            "another --out"
        )


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1
