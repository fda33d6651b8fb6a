"""All settings of a run: one closed, flat, frozen model, composed of its groups.

A `Settings` that exists is free of contradictions: `rules.py` is run when it is made. Where a
setting may be None for "the same as another one", a property gives the value in force.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from usb_ext.settings.as3l import AS3LSettings, SelfSupervisedSettings
from usb_ext.settings.data import DatasetSettings, ToySettings
from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.influence import InfluenceSettings
from usb_ext.settings.kinds import allowed
from usb_ext.settings.layermatch import ExtensionSettings
from usb_ext.settings.names import BASES, DEFAULT_BASE, FIXED_BASE, OTHER_DEFAULTS, parts_of
from usb_ext.settings.rules import check
from usb_ext.settings.run import DeadSettings, DistributedSettings, RunSettings, SpeedSettings
from usb_ext.settings.smooth import SmoothSettings
from usb_ext.settings.training import NetworkSettings, ScheduleSettings
from usb_ext.settings.usb_options import ConsistencySettings, ImbalanceSettings, ThresholdSettings

GROUPS: tuple[type[SettingsGroup], ...] = (
    RunSettings,
    ExtensionSettings,
    SmoothSettings,
    InfluenceSettings,
    ScheduleSettings,
    NetworkSettings,
    SpeedSettings,
    DatasetSettings,
    ToySettings,
    ThresholdSettings,
    ConsistencySettings,
    ImbalanceSettings,
    SelfSupervisedSettings,
    AS3LSettings,
    DistributedSettings,
    DeadSettings,
)
"""The groups in the order of the help page and of `config.yaml`."""

DEAD: frozenset[str] = frozenset(DeadSettings.model_fields)
"""Names that are accepted and read by nothing."""


class Settings(
    RunSettings,
    ExtensionSettings,
    SmoothSettings,
    InfluenceSettings,
    ScheduleSettings,
    NetworkSettings,
    SpeedSettings,
    DatasetSettings,
    ToySettings,
    ThresholdSettings,
    ConsistencySettings,
    ImbalanceSettings,
    SelfSupervisedSettings,
    AS3LSettings,
    DistributedSettings,
    DeadSettings,
):
    """Every setting by its name; unknown names, wrong types and contradictions are errors.

    Raises:
        pydantic.ValidationError: unknown name, wrong type, out of range (`load_settings` turns it
            into one SettingsError).
        SettingsError: two settings contradict each other.
    """

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_base(cls, raw: Any) -> Any:
        """Fill in what is not given and has another default with the run's base."""
        if not isinstance(raw, Mapping):
            return raw
        base = raw.get("base") or raw.get("algorithm")
        return {**OTHER_DEFAULTS.get(base, {}), **raw} if isinstance(base, str) else raw

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        """Run the rules on the finished model."""
        check(self)
        return self

    @property
    def run_name(self) -> str:
        """Name of the run's folder: save_name, or made from what sets runs apart."""
        made = f"{self.algorithm}_{self.dataset}_{self.num_labels}_s{self.seed}"
        return self.save_name or made

    @property
    def run_dir(self) -> Path:
        """The run's folder, save_dir/run_name, as it was given: relative paths stay relative."""
        return Path(self.save_dir) / self.run_name

    @property
    def split_seed(self) -> int:
        """Seed of the labelled part: label_seed, or seed."""
        return self.seed if self.label_seed is None else self.label_seed

    @property
    def save_interval(self) -> int:
        """Iterations between two checkpoints: num_save_iter, or num_eval_iter."""
        return self.num_save_iter or self.num_eval_iter

    @property
    def active_base(self) -> str | None:
        """Base of the run: as given, or the algorithm's own; None for an algorithm without one."""
        own = self.algorithm if self.algorithm in BASES else None
        return self.base or (DEFAULT_BASE | FIXED_BASE).get(self.algorithm, own)

    @property
    def active_extensions(self) -> tuple[str, ...]:
        """Extensions of the run: declared and asked for, less those switched off."""
        parts = parts_of(self.algorithm, self.extensions)
        return tuple(name for name in parts if getattr(self, name, None) is not False)


@cache
def schema_of(name: str) -> dict[str, Any]:
    """JSON schema of one setting: type, range, choices.

    Args:
        name: a setting's name.
    """
    group = next(g for g in GROUPS if name in g.model_fields)
    schema: dict[str, Any] = group.model_json_schema()["properties"][name]
    return schema


def allowed_values(name: str) -> str:
    """In words, what a setting accepts, such as "a finite number above 0".

    Args:
        name: a setting's name.
    """
    return allowed(schema_of(name))
