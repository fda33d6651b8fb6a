"""USB's hooks for Weights & Biases and Aim, given what those packages take.

USB hands them its whole namespace, which here holds data sets, streams and devices, and its Aim hook takes
over the root logger. Here they get the settings as plain values and the run's name; whether the package
works, and whether somebody is logged in, is found out before any work. (Removed by: "plain values for the
loggers".)
"""

import importlib.util
import os
from argparse import Namespace
from types import SimpleNamespace
from typing import Any

from usb_ext.core.errors import SettingsError, reason
from usb_ext.upstream.running import OnEngine
from usb_ext.upstream.stand_ins import import_real
from usb_ext.upstream.usb import AimHook, WANDBHook

UNSENT = ("offline", "disabled", "dryrun")
"""Values of WANDB_MODE with which nothing is sent, so that nobody need be logged in."""


def check_loggers(settings: Any) -> None:
    """Refuse a logger that cannot work, before any work.

    Args:
        settings: of the run.

    Raises:
        MissingDependency: the package is absent or broken.
        SettingsError: nobody is logged in.
    """
    if settings.use_aim:
        import_real("aim")
    if not settings.use_wandb:
        return
    wandb: Any = import_real("wandb")
    if os.environ.get("WANDB_MODE", "").lower() in UNSENT:
        return
    try:
        known = bool(os.environ.get("WANDB_API_KEY")) or bool(wandb.login(prompt=False))
        why = "nobody is logged in"
    except Exception as error:  # noqa: BLE001  (wandb raises errors of its own kinds)
        known, why = False, reason(error)
    if not known:
        raise SettingsError(
            f"use_wandb is True, but {why}; run `wandb login`, set WANDB_API_KEY, or keep the log here with "
            "WANDB_MODE=offline"
        )


def as_seen(algorithm: OnEngine) -> SimpleNamespace:
    """What a logger is told of a run: plain settings, its name and its folder's.

    Args:
        algorithm: the running algorithm.
    """
    values = {**algorithm.args.parts.settings, "save_name": algorithm.folder.path.name}
    save_dir = str(values["save_dir"])
    return SimpleNamespace(
        args=Namespace(**values), save_name=values["save_name"], save_dir=save_dir
    )


class WandbLog(WANDBHook):
    """USB's hook; a run is resumed by wandb under its own id, so nothing is kept."""

    run: Any  # wandb's, which `before_run` begins

    def before_run(self, algorithm: OnEngine) -> None:
        """Begin a run of wandb's.

        Raises:
            SettingsError: wandb refuses to.
        """
        try:
            super().before_run(as_seen(algorithm))
        except Exception as error:
            raise SettingsError(
                f"wandb could not begin a run ({reason(error)}); use WANDB_MODE=offline, or --use_wandb false"
            ) from error

    def on_stop(self, algorithm: OnEngine) -> None:
        """End wandb's run where ours was asked to stop."""
        self.run.finish()

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""


class AimLog(AimHook):
    """USB's hook without its logger; owns the run's hash in Aim, under which a resumed run goes on."""

    hash: str | None = None

    def before_run(self, algorithm: OnEngine) -> None:
        """Put off to the first step, when a checkpoint has given back the hash."""
        self.run: Any = None

    def _begin(self, algorithm: OnEngine) -> None:
        aim, seen = import_real("aim"), as_seen(algorithm)
        place = os.path.join(seen.save_dir, "aim", seen.save_name)
        os.makedirs(place, exist_ok=True)
        system = (
            importlib.util.find_spec("pkg_resources") is not None
        )  # aim asks it for the packages
        try:
            self.run = aim.Run(
                run_hash=self.hash,
                experiment=None if self.hash else seen.save_name,
                repo=place,
                log_system_params=system,
            )
            self.run["hparams"] = {
                k: str(v) if v is None else v for k, v in vars(seen.args).items()
            }
        except Exception as error:
            raise SettingsError(
                f"aim could not begin a run in {place} ({reason(error)}); use --use_aim false"
            ) from error
        if self.hash == self.run.hash:
            return
        self.hash = self.run.hash
        for name in ("dataset", "algorithm", "imb_algorithm"):
            self.run.add_tag(f"{name}: {getattr(seen.args, name)}")

    def after_train_step(self, algorithm: OnEngine) -> None:
        """What USB's hook logs."""
        if self.run is None:
            self._begin(algorithm)
        super().after_train_step(algorithm)

    def after_run(self, algorithm: OnEngine) -> None:
        """Close Aim's run."""
        if self.run is not None:
            self.run.close()

    on_stop = after_run

    def state_dict(self) -> dict[str, Any]:
        """The hash."""
        return {"hash": self.hash}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the run of this hash."""
        self.hash = state.get("hash")
