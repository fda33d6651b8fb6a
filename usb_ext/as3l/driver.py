"""The stages before a run and the run itself by one command: what `usb-ext train` does with AS3L's files.

Settings that name `auto` ask for files that pre-training, choice and spread make (AS3L, Sec. 4). They are
made by the stages of `usb-ext as3l`, each skipped where its output is there; then the run starts, is stopped
and resumed as any other, with the made files in the place of `auto`.
"""

import sys
from dataclasses import replace

from usb_ext.as3l.workflow import Show, check, make, ready, wants_stages
from usb_ext.core.folders import check_run_folder
from usb_ext.core.processes import by_first
from usb_ext.settings import LoadedSettings, Settings


def check_staged(settings: Settings) -> None:
    """Refuse whatever the run after the stages would be refused for by its settings alone.

    Args:
        settings: of the run, with `auto` for what is to be made.

    Raises:
        SettingsError, DataMissing: as in `workflow.check` and `training.check.check_run`.
    """
    from usb_ext.training.check import check_run

    check(settings)
    check_run(settings, staged=True)


def with_stages(loaded: LoadedSettings, show: Show | None = None) -> LoadedSettings:
    """The settings that training takes: as they are, or after the stages that they ask for.

    Of a run's processes each calls this, once they have met.

    Args:
        loaded: checked settings.
        show: prints a text, a line a stage; None writes to stderr unless `progress` is off.

    Returns:
        The same, with the made files in the place of `auto`.

    Raises:
        SettingsError: before any work; settings that no run or stage can carry, or a folder that holds a run.
        DataMissing: chosen images whose classes a person has to fill in, and as in the stages.
        RunFailed, Interrupted: as in the stages; what is made by then is kept, and the next call goes on.
    """
    s = loaded.settings
    if not wants_stages(s):
        return loaded
    check_staged(s)
    by_first(lambda: check_run_folder(s.run_dir, resume=s.resume, overwrite=s.overwrite))
    make(s, show or (_nothing if s.progress == "off" else to_stderr))
    return by_first(lambda: replace(loaded, settings=ready(s).settings))


def to_stderr(text: str) -> None:
    """Shows a line where logs go."""
    sys.stderr.write(f"{text}\n")


def _nothing(_: str) -> None:
    """Shows nothing."""
