"""A Slurm of one machine, for tests: two files and three daemons in a folder, without systemd.

    python tests/support/slurm.py start DIR     # says how to use it
    python tests/support/slurm.py stop DIR

It needs Debian's packages `slurm-wlm` and `munge`. Nothing outside DIR is written, and a
Slurm or munge that the machine has is left alone: `SLURM_CONF` names this one.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

CONF = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket,cred_expire=5
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,bf_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
ReturnToService=2
KillWait=5
MinJobAge=10
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo", "scontrol", "scancel")
SECONDS = 60.0


def missing() -> list[str]:
    """Programs that are not there."""
    return [name for name in PROGRAMS if _found(name) is None]


def _found(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class OneMachine:
    """Slurm on this machine.

    Args:
        place: the folder of its files; its path must be short, as sockets' names are.
    """

    def __init__(self, place: Path) -> None:
        self.place = place.absolute()
        self.host = socket.gethostname().partition(".")[0]

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which Slurm's commands, and what they start, find it."""
        return {**os.environ, "SLURM_CONF": str(self.place / "slurm.conf")}

    def start(self) -> None:
        """Write the key and `slurm.conf`, start munge, controller and node, and wait for the node."""
        for name in ("", "state", "spool"):
            (self.place / name).mkdir(parents=True, exist_ok=True, mode=0o755)
        key = self.place / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        values = {"place": self.place, "host": self.host, "user": getpass.getuser()}
        ports = dict(zip(("control", "node"), _free_ports(2), strict=True))
        conf = CONF.format(**values, **ports, cpus=len(os.sched_getaffinity(0)))
        (self.place / "slurm.conf").write_text(conf)
        self._daemon(
            "munged", "--force", f"--key-file={key}", f"--socket={self.place}/munge.socket",
            f"--pid-file={self.place}/munged.pid", f"--log-file={self.place}/munged.log",
            f"--seed-file={self.place}/munged.seed",
        )  # fmt: skip
        self.start_controller()
        self._daemon("slurmd")
        self.wait_for(lambda: self.ask("sinfo", "--noheader", "--format=%T") in ("idle", "mixed"))

    def start_controller(self) -> None:
        """Start the controller, which goes on from what it kept."""
        self._daemon("slurmctld")

    def stop_controller(self) -> None:
        """Stop the controller as its service does: it writes its state first, which a crash may lose."""
        self._kill("slurmctld", signal.SIGTERM)

    def stop(self) -> None:
        """End jobs and daemons."""
        self.ask("scancel", f"--user={getpass.getuser()}", "--signal=KILL", "--full")
        for name in ("slurmd", "slurmctld", "munged"):
            self._kill(name, signal.SIGTERM)

    def ask(self, *words: str) -> str:
        """What a command of Slurm's prints; empty where it fails."""
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, timeout=SECONDS
        )
        return done.stdout.strip()

    def wait_for(self, happened: "object", seconds: float = SECONDS) -> None:
        """Until something has happened.

        Args:
            happened: called until it gives a true value.
            seconds: the most to wait.
        """
        until = time.monotonic() + seconds
        while not happened():  # type: ignore[operator]
            if time.monotonic() > until:
                logs = [self.place / f"{name}.log" for name in ("slurmctld", "slurmd")]
                ends = [log.read_text()[-1500:] for log in logs if log.exists()]
                raise TimeoutError("\n".join(ends))
            time.sleep(0.3)

    def _daemon(self, name: str, *words: str) -> None:
        program = _found(name)
        assert program is not None, f"{name} is missing: apt-get install slurm-wlm munge"
        subprocess.run(
            [program, *words], env=self.environment, check=True, stdin=subprocess.DEVNULL
        )

    def _kill(self, name: str, number: int) -> None:
        """Send a daemon of ours a signal and wait for its end."""
        file = self.place / f"{name}.pid"
        with suppress(OSError, ValueError):
            pid = int(file.read_text())
            os.kill(pid, number)
            until = time.monotonic() + 20
            while time.monotonic() < until:
                os.kill(pid, 0)
                time.sleep(0.1)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def main() -> int:
    """Start or stop from the command line; gives the exit code."""
    if len(sys.argv) != 3 or sys.argv[1] not in ("start", "stop"):
        sys.stderr.write("python tests/support/slurm.py start|stop DIR\n")
        return 2
    slurm = OneMachine(Path(sys.argv[2]))
    if sys.argv[1] == "stop":
        slurm.stop()
        return 0
    if lost := missing():
        sys.stderr.write(f"{', '.join(lost)} missing: apt-get install slurm-wlm munge\n")
        return 3
    slurm.start()
    sys.stdout.write(f"export SLURM_CONF={slurm.place / 'slurm.conf'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
