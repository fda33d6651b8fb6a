"""The folder a run leaves: `save_dir/save_name/`, and what may happen to one that is there already.

Nothing is ever deleted without `--overwrite` on the command line; files are replaced in one step.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from usb_ext.core.errors import SettingsError

FIRST_FILES = frozenset(
    {
        *("config.yaml", "labelled.json", "log.txt", "metrics.jsonl", "tensorboard"),
        *("calibration.json", ".calibration.json.part", ".latest_model.pth.part"),
        *(".config.yaml.part", ".labelled.json.part"),
    }
)
"""What a run leaves that ended before its first checkpoint; the next one may write over it."""


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run.

    Attributes:
        path: `save_dir/save_name`.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The resolved settings, reloadable."""
        return self.path / "config.yaml"

    @property
    def log(self) -> Path:
        """Plain text."""
        return self.path / "log.txt"

    @property
    def metrics(self) -> Path:
        """One JSON object a logged step."""
        return self.path / "metrics.jsonl"

    @property
    def result(self) -> Path:
        """The run's record."""
        return self.path / "result.json"

    @property
    def calibration(self) -> Path:
        """How `ulb_loss_ratio` was measured."""
        return self.path / "calibration.json"

    @property
    def latest(self) -> Path:
        """The newest checkpoint."""
        return self.path / "latest_model.pth"

    @property
    def previous(self) -> Path:
        """The checkpoint before the newest."""
        return self.path / "previous_model.pth"

    @property
    def best(self) -> Path:
        """The checkpoint with the best accuracy on the evaluation split."""
        return self.path / "model_best.pth"

    def occupied(self) -> bool:
        """Whether something of worth lies here: more than an attempt without a checkpoint leaves."""
        if not self.path.is_dir():
            return False
        return any(p.name not in FIRST_FILES for p in self.path.iterdir())


def open_run_folder(path: Path, *, resume: bool, overwrite: bool) -> RunFolder:
    """The folder, ready to be written into; it exists afterwards.

    Args:
        path: `save_dir/save_name`.
        resume: an occupied folder with a checkpoint is continued.
        overwrite: an occupied folder is emptied (only where it is not continued).

    Raises:
        SettingsError: if the folder is occupied and neither applies, or is a file, or cannot be made.
    """
    check_run_folder(path, resume=resume, overwrite=overwrite)
    folder = RunFolder(path)
    try:
        if folder.occupied() and not _continues(folder, resume):
            shutil.rmtree(path)
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"save_dir/save_name is {path}, which cannot be made: {error}"
        ) from error
    return folder


def check_run_folder(path: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse what `open_run_folder` would refuse, without touching anything.

    Raises:
        SettingsError: if the folder is occupied and is neither continued nor replaced.
    """
    folder = RunFolder(path)
    if folder.occupied() and not (overwrite or _continues(folder, resume)):
        raise SettingsError(
            f"the run folder {path} exists already; continue it with --resume, replace it "
            "with --overwrite, or choose another --save_name"
        )


def _continues(folder: RunFolder, resume: bool) -> bool:
    return resume and (folder.latest.exists() or folder.previous.exists())
