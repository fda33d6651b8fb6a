"""The data of a run: found, checked and told of before any is decoded, then loaded."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from usb_ext.core.errors import DataMissing
from usb_ext.core.files import RunFolder, write_text
from usb_ext.data.fingerprint import (
    Fingerprint,
    fingerprint_of,
    other_versions,
    printable,
    refuse_inputs_of_other_data,
    refuse_other_data,
    write_fingerprint,
)
from usb_ext.data.imagefolder import BadImages
from usb_ext.data.prepared import Prepared
from usb_ext.data.sets import Source, open_source, prepare
from usb_ext.data.survey import Survey, check_classes, survey
from usb_ext.settings import Settings
from usb_ext.upstream.quiet import printed_to_log
from usb_ext.upstream.running import Arguments

BAD_FILES = "bad_files.txt"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunData:
    """A run's data before they are decoded.

    Attributes:
        source: where the images come from.
        found: their fingerprint.
        seen: what is to be recorded of a folder.
    """

    source: Source
    found: Fingerprint
    seen: Survey


def find_data(settings: Settings, checkpoint: Path | None) -> RunData:
    """Look at the data that the settings name, and say what they are.

    Args:
        settings: of the run.
        checkpoint: what the run goes on from, or None.

    Raises:
        DataMissing: they are not there.
        SettingsError: classes that do not fit or are doubtful; a checkpoint or an input of other data.
    """
    source = open_source(settings)
    if source.scan is not None:
        check_classes(settings, source.scan)
    found = fingerprint_of(settings, source)
    refuse_inputs_of_other_data(settings, found)
    if checkpoint is not None:
        _check(checkpoint, found)
    seen = Survey({}, 0) if source.scan is None else survey(source.scan, found)
    return RunData(source, found, seen)


def _check(checkpoint: Path, now: Fingerprint) -> None:
    """Refuse to go on with other data than a checkpoint was made from."""
    remedy = (
        f"name the data that it had; to go on from its weights with other labels give --start_from "
        f"{checkpoint.parent} and another --save_name"
    )
    then = refuse_other_data(checkpoint.parent, now, f"the checkpoint {checkpoint}", remedy)
    if then is None:
        _log.warning("%s does not tell of its data (an older run): not checked", checkpoint.parent)
    elif changed := other_versions(then, now):
        _log.warning("going on with other packages, which may change the numbers: %s", changed)


def load_data(args: Arguments, settings: Settings, data: RunData, folder: RunFolder) -> Prepared:
    """Decode the images and split them.

    Args:
        args: the run's namespace.
        settings: of the run.
        data: what `find_data` found.
        folder: the run's; a list of images that cannot be decoded goes there, also where that is an error.

    Raises:
        DataMissing, SettingsError: as in `data.sets.prepare`.
    """
    try:
        with printed_to_log():
            prepared = prepare(args, data.source)
    except BadImages as error:
        folder.path.mkdir(parents=True, exist_ok=True)
        raise DataMissing(
            f"{error}; all are listed in {_list_bad(folder, error.reasons)}"
        ) from error
    seen = data.seen
    return replace(
        prepared,
        ignored=seen.ignored,
        duplicates=seen.duplicates,
        sha256=_now(settings, data).sha256,
    )


def _now(settings: Settings, data: RunData) -> Fingerprint:
    """The fingerprint, also of files that USB has fetched only now."""
    return data.found if data.found.kind != "none" else fingerprint_of(settings, data.source)


def keep_data(folder: RunFolder, settings: Settings, data: RunData, prepared: Prepared) -> None:
    """Write `data.json`, and `bad_files.txt` where images were left out.

    Args:
        folder: the run's, which exists.
        settings: of the run.
        data: what `find_data` found.
        prepared: the data, loaded.
    """
    write_fingerprint(folder.path, _now(settings, data))
    if prepared.skipped:
        _list_bad(folder, prepared.skipped)


def _list_bad(folder: RunFolder, reasons: Mapping[str, str]) -> Path:
    path = folder.path / BAD_FILES
    write_text(path, "".join(f"{printable(name)}: {why}\n" for name, why in reasons.items()))
    return path
