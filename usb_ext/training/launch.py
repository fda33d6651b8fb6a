"""Starting the processes of a run with torch's elastic launcher, as torchrun does.

`--devices W` and USB's keys (`multiprocessing_distributed`, `world_size`, `rank`, `dist_url`) come here; what
is started is the same command once for each process, with the variables that torchrun sets.
"""

import logging
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from usb_ext.core.errors import RunFailed, SettingsError, reason
from usb_ext.settings import Settings

_log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
CHILD = (
    "import sys; sys.path.append(sys.argv.pop(1)); from usb_ext.cli.main import main; "
    "sys.exit(main(sys.argv[1:]))"
)
"""What each process runs, from a checkout as where the package is installed: ROOT, then a command's words."""

SHUTDOWN = 300
"""ours: seconds that processes have for their last step and its checkpoint, once they are asked to stop."""


@dataclass(frozen=True)
class Wanted:
    """The processes that a run is to have.

    Attributes:
        here: on this machine.
        machines: how many machines.
        note: a sentence for the user, or empty.
    """

    here: int
    machines: int = 1
    note: str = ""

    @property
    def several(self) -> bool:
        """Whether there is more than one."""
        return self.here * self.machines > 1


def wanted(settings: Settings, devices: int | None) -> Wanted:
    """How many processes the command line or USB's keys ask for.

    Args:
        settings: of the run.
        devices: of the command line, or None.
    """
    if devices is not None:
        return Wanted(devices, settings.world_size)
    free = settings.device in ("auto", "cuda") and settings.gpu is None
    gpus = torch.cuda.device_count() if free else 0
    if not settings.multiprocessing_distributed:
        return Wanted(1, settings.world_size)
    note = (
        "" if gpus else "multiprocessing_distributed: no GPU to spread over, so it is one process"
    )
    return Wanted(max(1, gpus), settings.world_size, note)


def launch(settings: Settings, words: Sequence[str], found: Wanted) -> int:
    """Start the processes of this machine and wait for them.

    Args:
        settings: of the command.
        words: of `usb-ext`, a command's name first, without what asks for several processes.
        found: how many.

    Returns:
        The exit code of the process that ended the run.

    Raises:
        SettingsError: more processes than GPUs.
        RunFailed: the machines do not meet.
    """
    gpus = torch.cuda.device_count() if settings.device in ("auto", "cuda") else 0
    if gpus and found.here > gpus:
        raise SettingsError(
            f"{found.here} processes are asked for and torch sees {gpus} CUDA device(s); use --devices "
            f"{gpus}, or --device cpu"
        )
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # the processes speak
    config = LaunchConfig(
        min_nodes=found.machines,
        max_nodes=found.machines,
        nproc_per_node=found.here,
        max_restarts=0,
        shutdown_timeout=SHUTDOWN,
        **_meeting(settings, found.machines),
    )
    try:
        elastic_launch(config, sys.executable)("-P", "-c", CHILD, str(ROOT), *words)
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode
        return code if code > 0 else RunFailed.exit_code
    except SignalException as error:
        return 128 + int(error.sigval)
    except (RuntimeError, OSError, TimeoutError) as error:
        raise RunFailed(
            f"the processes did not meet within {settings.meet_seconds} s ({reason(error)}); start every "
            f"machine with its rank, and with a dist_url whose port is free on that of rank 0"
        ) from error
    return 0


def _meeting(settings: Settings, machines: int) -> dict[str, Any]:
    """Where the processes meet: at a free port of this machine, or where `dist_url` says."""
    run = {"run_id": uuid.uuid4().hex, "rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0"}
    if machines == 1:
        return {
            **run,
            "local_addr": "localhost",
            "rdzv_configs": {"timeout": settings.meet_seconds},
        }
    place = urlsplit(settings.dist_url)
    if place.scheme != "tcp" or not place.hostname or not place.port:
        raise SettingsError(
            f"dist_url is {settings.dist_url!r}; with world_size {machines} give tcp://HOST:PORT of the "
            "machine of rank 0"
        )
    return {
        "run_id": "usb_ext",
        "rdzv_backend": "static",
        "rdzv_endpoint": f"{place.hostname}:{place.port}",
        "rdzv_configs": {"rank": settings.rank, "timeout": settings.meet_seconds},
    }
