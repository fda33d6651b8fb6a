"""All settings of a run: one closed, flat, frozen model, composed of its groups.

A `Settings` that exists is free of contradictions: `rules.py` is run when it is made. Where a
setting may be None for "the same as another one", a property gives the value in force.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from usb_ext.settings.algorithms import base_of, other_defaults, parts_of
from usb_ext.settings.as3l import AS3LSettings, PriorSettings, SelfSupervisedSettings
from usb_ext.settings.data import DatasetSettings, ToySettings
from usb_ext.settings.feature_set import FeatureSetSettings
from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.influence import InfluenceSettings
from usb_ext.settings.kinds import allowed
from usb_ext.settings.layermatch import (
    AvgClusteringSettings,
    GradReLUSettings,
    MechanismSettings,
)
from usb_ext.settings.names import run_name
from usb_ext.settings.networks import made_for
from usb_ext.settings.rules import check
from usb_ext.settings.run import (
    DeadSettings,
    DistributedSettings,
    RunSettings,
    SpeedSettings,
    save_interval,
)
from usb_ext.settings.smooth import CalibrationSettings, SmoothSettings
from usb_ext.settings.step import StepSettings
from usb_ext.settings.training import NetworkSettings, ScheduleSettings
from usb_ext.settings.usb_options import ConsistencySettings, ImbalanceSettings, ThresholdSettings


class Settings(
    RunSettings,
    StepSettings,
    GradReLUSettings,
    AvgClusteringSettings,
    MechanismSettings,
    SmoothSettings,
    CalibrationSettings,
    InfluenceSettings,
    PriorSettings,
    ScheduleSettings,
    NetworkSettings,
    SpeedSettings,
    DatasetSettings,
    ToySettings,
    FeatureSetSettings,
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
        algorithm, base = raw.get("algorithm"), raw.get("base")
        if not (isinstance(algorithm, str) and isinstance(base, str | None)):
            return raw
        return {**other_defaults(algorithm, base), **raw}

    @model_validator(mode="before")
    @classmethod
    def _size_of_the_network(cls, raw: Any) -> Any:
        """Images of the size that a network of timm or torchvision was made for, where none is given."""
        if not isinstance(raw, Mapping) or "img_size" in raw:
            return raw
        made = made_for(str(raw.get("net", "")))
        return raw if made is None else {**raw, "img_size": made.size}

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        """Run the rules on the finished model."""
        check(self)
        return self

    @property
    def run_name(self) -> str:
        """Name of the run's folder: save_name, or made from what sets runs apart."""
        return self.save_name or run_name(self)

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
        """Iterations between two checkpoints."""
        return save_interval(self.num_save_iter, self.num_eval_iter)

    @property
    def active_base(self) -> str | None:
        """Base of the run: as given, or the algorithm's own; None for an algorithm without one."""
        return self.base or base_of(self.algorithm)

    @property
    def active_extensions(self) -> tuple[str, ...]:
        """Extensions of the run: declared and asked for, less those switched off."""
        parts = parts_of(self.algorithm, self.extensions)
        return tuple(name for name in parts if getattr(self, name, None) is not False)


GROUPS: tuple[type[SettingsGroup], ...] = Settings.__bases__
"""The groups in the order of the help page and of `config.yaml`."""

DEAD: frozenset[str] = frozenset(DeadSettings.model_fields)
"""Names that are accepted and read by nothing."""


def options_of(extension: str) -> tuple[str, ...]:
    """Names of an extension's options, without its switch; none for an extension of a user's.

    Args:
        extension: its name.
    """
    groups = (group for group in GROUPS if group.part_of == extension)
    return tuple(name for group in groups for name in group.model_fields if name != extension)


def default_of(name: str) -> Any:
    """What a setting is where nobody gives it.

    Args:
        name: a setting's name.
    """
    return Settings.model_fields[name].default


@cache
def schema_of(name: str) -> dict[str, Any]:
    """JSON schema of one setting: type, range, choices.

    Args:
        name: a setting's name.
    """
    group = next(g for g in GROUPS if name in g.model_fields)
    schema: dict[str, Any] = group.model_json_schema()["properties"][name]
    return schema


def choices_of(name: str) -> tuple[str, ...]:
    """What a setting with a closed choice may be; empty for any other.

    Args:
        name: a setting's name.
    """
    return tuple(schema_of(name).get("enum", ()))


def allowed_values(name: str) -> str:
    """In words, what a setting accepts, such as "a finite number above 0".

    Args:
        name: a setting's name.
    """
    return allowed(schema_of(name))
