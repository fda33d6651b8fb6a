"""`usb-ext as3l`: from unlabelled images to a trained model, stage by stage (AS3L, Sec. 4).

Pre-training, choice of images, spread of their labels, training. The stages talk through files, each is
a command of its own too, and each is skipped where what it makes is there from the same settings.
"""

import json
from collections.abc import Callable, Sequence

from usb_ext.as3l.made import check, made_files, ready
from usb_ext.as3l.workflow import choose, spread
from usb_ext.cli.settings_words import settings_of
from usb_ext.core.result import percent
from usb_ext.settings import Settings, config_sha256, load_settings

HELP = "all of AS3L: pretrain, select, propagate and train, each skipped where it is done"
Show = Callable[[str], int]


def run(words: Sequence[str], show: Show) -> int:
    """Run what is missing; gives the exit code.

    Args:
        words: after the command's name, as `train` takes them.
        show: prints a text, a line a stage.

    Raises:
        SettingsError: settings that do not lead from stage to stage, or outputs of other settings.
        DataMissing, RunFailed, Interrupted: as in the stages.
    """
    loaded = settings_of("as3l", words, show)
    if loaded is None:
        return 0
    make(loaded.settings, show)
    return _train(loaded.settings, show)


def make(settings: Settings, show: Show) -> None:
    """Make what a run needs, as far as it is not there: features, images to label, their labels spread.

    Args:
        settings: of the run, with `auto` for what is to be made.
        show: prints a text, a line a stage.

    Raises:
        SettingsError, DataMissing, RunFailed, Interrupted: as `run`.
    """
    check(settings)
    pretrain_features(settings, show)
    files = made_files(settings)
    choose(settings, files, show)
    spread(settings, files, show)


def pretrain_features(settings: Settings, show: Show) -> None:
    """Make the features file, if it is not there. `--overwrite` leaves it: pre-training takes long.

    Args:
        settings: of the run.
        show: prints a text.
    """
    from usb_ext.as3l.pretrain.stage import pretrain

    changed = {"overwrite": False, "resume": settings.features is None}
    show(pretrain(load_settings(settings.model_dump(), changed)))


def _train(s: Settings, show: Show) -> int:
    """Train on what the stages made; a run that is through is only shown."""
    from usb_ext.engine.arguments import resolved
    from usb_ext.training.compose import algorithm_classes

    loaded = ready(s)
    wanted = config_sha256(resolved(loaded.settings, algorithm_classes(loaded.settings)))
    record = s.run_dir / "result.json"
    if not s.overwrite and record.is_file():
        result = json.loads(record.read_text(encoding="utf-8"))
        if result["status"] == "completed" and result["config_sha256"] == wanted:
            return show(f"trained before: top1_last {percent(result['top1_last'])}  {record}")
    if (s.run_dir / "latest_model.pth").is_file() and not s.overwrite:
        loaded = load_settings(loaded.settings.model_dump(), {"resume": True})
    from usb_ext.training.train import train

    done = train(loaded)
    return show(f"top1_last {percent(done.top1_last)}  {done.path}/result.json")
