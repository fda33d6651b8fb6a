"""The commands of `usb-ext`, in the order of the help page.

A name, a line of help and the place of the rest are all that is known before a command is asked for, so that
`--help` and a mistyped command answer without pydantic, let alone torch.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from usb_ext.cli.command import Command, SettingsCommand


@dataclass(frozen=True)
class Listed:
    """A subcommand in the list.

    Attributes:
        name: as typed.
        help: its line on the help page.
        place: "module:NAME" in `usb_ext.cli`, of the `Command` or `SettingsCommand`.
    """

    name: str
    help: str
    place: str

    def load(self) -> "Command | SettingsCommand":
        """Import the command."""
        module, name = self.place.split(":")
        found: Command | SettingsCommand = getattr(import_module(f"usb_ext.cli.{module}"), name)
        return found


COMMANDS = (
    Listed(
        "train",
        "train one run: --c FILE (or a name) and any setting as --name value (see settings)",
        "train:TRAIN",
    ),
    Listed(
        "start",
        "from a folder of photographs to a model: look, features, choice, labels, training, report",
        "quickstart:START",
    ),
    Listed(
        "inspect",
        "what lies in a folder of images, and how long a model takes",
        "quickstart:INSPECT",
    ),
    Listed(
        "label",
        "a page on which you give images their classes, on this machine alone",
        "label:LABEL",
    ),
    Listed(
        "pretrain",
        "learn features without labels (SimSiam, SimCLR, BYOL): backbone.pth and features.npz",
        "as3l:PRETRAIN",
    ),
    Listed(
        "as3l",
        "all of AS3L: pretrain, select, propagate and train, each skipped where it is done",
        "as3l:AS3L",
    ),
    Listed(
        "prior-grid",
        "prior pseudo-labels of every selection x propagation x number of labels, in one table",
        "as3l:PRIOR_GRID",
    ),
    Listed(
        "study",
        "a paper's ablation: make what is missing, then table, CSV and picture (study --help lists them)",
        "studies:STUDY",
    ),
    Listed(
        "features",
        "keep a frozen network's features of weak and strong views, to train on (dataset: features)",
        "frozen:FEATURES",
    ),
    Listed(
        "predict",
        "the class of every image, in a CSV: a run's folder and files or folders",
        "use:PREDICT",
    ),
    Listed(
        "evaluate",
        "how good a run is on images whose classes are known: scores, confusion, the worst",
        "use:EVALUATE",
    ),
    Listed(
        "export",
        "the network as ONNX, as a torch program or as safetensors, compared before it is kept",
        "use:EXPORT",
    ),
    Listed("report", "one HTML page of a run or of a comparison, pictures included", "use:REPORT"),
    Listed(
        "configs",
        "settings files that come with usb_ext, each a name for --c; `configs copy NAME` copies one",
        "configs:CONFIGS",
    ),
    Listed("check-config", "say of each settings file whether it is ok", "info:CHECK_CONFIG"),
    Listed(
        "compare",
        "run methods on the same folds, then table, test and plot them",
        "compare:COMPARE",
    ),
    Listed(
        "sweep",
        "a grid of settings: a table, a heat map, and the best cell by validation images",
        "sweep:SWEEP",
    ),
    Listed(
        "table", "a paper's table with the mean and spread of our runs beside it", "papers:TABLE"
    ),
    Listed(
        "curves",
        "accuracy over steps of several runs, seeds as a band, to PNG and SVG",
        "papers:CURVES",
    ),
    Listed(
        "select",
        "choose images to label from their features: selected.json and a picture",
        "features:SELECT",
    ),
    Listed(
        "propagate",
        "spread labels over features: prior.npz, accuracy and calibration",
        "features:PROPAGATE",
    ),
    Listed("tsne", "draw features in the plane by t-SNE", "features:TSNE"),
    Listed(
        "bench", "steps a second: USB's own loop, ours, and the limit, in one run", "bench:BENCH"
    ),
    Listed(
        "export-patches",
        "make the patches for USB again, on the installed release",
        "patches:EXPORT_PATCHES",
    ),
    Listed("doctor", "versions, device, what of USB works here and what is bridged", "info:DOCTOR"),
    Listed("algorithms", "names of the algorithms, bases and extensions", "info:ALGORITHMS"),
    Listed(
        "settings", "settings about something: flag, default, what it is and takes", "info:SETTINGS"
    ),
)


def help_of(name: str) -> str:
    """The line of help of the command of that name.

    Raises:
        KeyError: there is none.
    """
    return {listed.name: listed.help for listed in COMMANDS}[name]
