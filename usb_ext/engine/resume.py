"""Where a run goes on from, decided before any work."""

import logging
from pathlib import Path
from typing import Any

from usb_ext.core.errors import SettingsError
from usb_ext.core.files import RunFolder, check_run_folder
from usb_ext.engine import checkpoint
from usb_ext.settings import Settings, differing_keys

_log = logging.getLogger(__name__)


def find_checkpoint(settings: Settings, folder: RunFolder) -> dict[str, Any] | None:
    """The checkpoint that `--resume` means, or None to start afresh.

    The run's own newest one comes before `load_path`, unless `load_path` names another file of the
    same folder (the older checkpoint).

    Raises:
        SettingsError: a broken or foreign checkpoint, one of other settings, or another run's folder.
    """
    check_run_folder(folder.path, resume=settings.resume, overwrite=settings.overwrite)
    if not settings.resume:
        return None
    path = _path(settings, folder)
    if path is None:
        _log.warning("nothing to resume in %s; starting afresh", folder.path)
        return None
    state = checkpoint.read(path, folder)
    differing = differing_keys(state["usb_ext"]["settings"], settings.model_dump(mode="json"))
    if differing:
        changes = ", ".join(f"{k} ({old} then, {new} now)" for k, (old, new) in differing.items())
        raise SettingsError(
            f"{path} is of a run with other settings: {changes}; give the same ones, or another "
            "--save_name"
        )
    return state


def _path(settings: Settings, folder: RunFolder) -> Path | None:
    given = Path(settings.load_path).expanduser() if settings.load_path else None
    candidates = [folder.latest, folder.previous]
    if given is not None:
        own = given.resolve() == folder.previous.resolve()
        candidates = [given, *candidates] if own else [*candidates, given]
    return next((path for path in candidates if path.is_file()), None)
