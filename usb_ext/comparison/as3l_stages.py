"""Runs of a comparison that need files of AS3L's stages: made once for all of them, before they start."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from usb_ext.as3l.workflow import check, made_files, make, ready, wants_stages
from usb_ext.comparison.plan import Planned
from usb_ext.comparison.processes import to_stderr
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.settings import Settings
from usb_ext.settings.as3l import AS3LSettings, SelfSupervisedSettings
from usb_ext.settings.data import DatasetSettings, ToySettings
from usb_ext.settings.feature_set import FeatureSetSettings
from usb_ext.settings.training import NetworkSettings
from usb_ext.training.check import check_run

Prepare = Callable[[Sequence[Planned]], None]


def with_stages(
    plan: Sequence[Planned], say: Callable[[str], object] = to_stderr
) -> tuple[list[Planned], Prepare]:
    """The runs with made files in place of `auto`, and what makes those files.

    Features lie in the comparison's `runs/` once, and a choice of images with its prior pseudo-labels
    once for each strategy, number of labels and label seed: methods that differ elsewhere share them.

    Args:
        plan: all runs of a comparison.
        say: shows a line.

    Raises:
        SettingsError: settings that a method cannot take; its label stands in front.
    """
    given = {run.name: run.settings for run in plan if wants_stages(run.settings)}

    def prepare(todo: Sequence[Planned]) -> None:
        said: set[str] = set()

        def show(text: str) -> None:
            if text not in said:
                said.add(text)
                say(f"{text}\n")

        made: set[str] = set()
        for run in todo:
            if run.name in given and (stages := _stages_of(given[run.name])) not in made:
                make(given[run.name], show)
                made.add(stages)

    return [_filled(run) if run.name in given else run for run in plan], prepare


_READ = (
    SelfSupervisedSettings,
    AS3LSettings,
    DatasetSettings,
    FeatureSetSettings,
    NetworkSettings,
    ToySettings,
)
"""Settings that stages read; a method that differs in none of them needs no look of its own."""


def _stages_of(settings: Settings) -> str:
    names = {name for group in _READ for name in group.model_fields}
    values = settings.model_dump(mode="json", include=names)
    return json.dumps(
        [values, settings.split_seed, *map(str, made_files(settings))], sort_keys=True
    )


def check_runs(plan: Sequence[Planned]) -> None:
    """Refuse what `train` would refuse for the settings of a run that is still to be made, before any run.

    Args:
        plan: all runs of a comparison, with `auto` for files that stages make.

    Raises:
        SettingsError, DataMissing: as in `training.check.check_run`; the method's label stands in front.
    """
    for run in plan:
        if run.folder.result.exists():
            continue
        try:
            check_run(run.settings, staged=wants_stages(run.settings))
        except (SettingsError, DataMissing) as error:
            raise type(error)(f"method {run.method.label!r}: {error}") from error


def _filled(run: Planned) -> Planned:
    try:
        check(run.settings)
        return replace(run, settings=ready(run.settings).settings)
    except SettingsError as error:
        raise SettingsError(f"method {run.method.label!r}: {error}") from error
