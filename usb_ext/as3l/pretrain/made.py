"""What pre-training leaves and from which settings: the folder, and the record that it is finished."""

from pathlib import Path
from typing import Any

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import RunFolder, check_seal, read_json
from usb_ext.engine import checkpoint
from usb_ext.settings import Settings
from usb_ext.settings.as3l import AUTO
from usb_ext.settings.stage_values import PRETRAIN, differences, stage_values
from usb_ext.upstream.running import State

FILES = ("backbone.pth", "features.npz", "pretrain.json")


def pretrain_folder(settings: Settings) -> Path:
    """Where pre-training leaves its files: save_dir/ssl_name."""
    s = settings
    made = f"{s.ssl_method}_{s.dataset}_{s.net.replace(':', '.').replace('/', '.')}_s{s.ssl_seed}"
    return Path(s.save_dir) / (s.ssl_name or made)


def initial_weights(settings: Settings) -> str | None:
    """The weights that pre-training starts from: none, or the user's own file."""
    given = settings.pretrain_path if settings.use_pretrain else None
    return None if given == AUTO else given


def made_with(settings: Settings) -> dict[str, Any]:
    """The settings that decide what pre-training makes, with their values."""
    s = settings
    values = {**stage_values(s, PRETRAIN), "pretrain_path": initial_weights(s)}
    if s.bn_statistics == "fresh":  # which records of older versions do not say: they are `running`
        values |= {"bn_statistics": s.bn_statistics, "bn_images": s.bn_images}
    return values


def finished(folder: RunFolder, settings: Settings) -> dict[str, Any] | None:
    """The record of a finished pre-training of the same settings, or None.

    The number of classes may be another one: the classification layer is no part of what it leaves, and a
    person who labels 40 images may meet fewer classes than were expected.

    Raises:
        SettingsError: it is there, of other settings.
        DataMissing: it is there, and damaged.
    """
    if not all((folder.path / name).is_file() for name in FILES):
        return None
    path, remedy = folder.path / FILES[-1], "delete it, and --resume makes it again"
    done = read_json(path, "the record of pre-training", remedy)
    if not (isinstance(done, dict) and isinstance(done.get("made_with"), dict)):
        raise DataMissing(f"{path} does not say what pre-training was made with; {remedy}")
    try:
        check_seal(done)
    except ValueError as error:
        raise DataMissing(f"{path} is damaged ({error}); {remedy}") from error
    _refuse_other(folder, {**done["made_with"], "num_classes": settings.num_classes}, settings)
    return done


def found_checkpoint(folder: RunFolder, settings: Settings) -> State | None:
    """The checkpoint to go on from, with `resume`, or None.

    Raises:
        SettingsError: it is broken, or of other settings.
    """
    if not settings.resume or not (folder.latest.is_file() or folder.previous.is_file()):
        return None
    state = checkpoint.read_newest(folder)
    then = dict(state["usb_ext"]["settings"])
    then.pop("ssl_save_epochs", None)
    _refuse_other(folder, then, settings)
    return state


def _refuse_other(folder: RunFolder, then: dict[str, Any], settings: Settings) -> None:
    if changes := differences(then, made_with(settings)):
        raise SettingsError(
            f"{folder.path} is a pre-training with other settings: {changes}; give the same ones, "
            "another --ssl_name, or --overwrite"
        )
