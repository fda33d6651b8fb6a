"""Settings of a run: what runs, where it is written, what is logged, on which device and seed."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from usb_ext.config.kinds import Count, Seed, Text
from usb_ext.settings.group import SettingsGroup

DEVICES = ("auto", "cpu", "mps", "cuda")


class RunSettings(SettingsGroup):
    """What runs and what it leaves behind: the folder `save_dir/save_name`."""

    heading: ClassVar[str] = "Run and output"

    algorithm: Text = Field(
        default="layermatch",
        description="Algorithm: layermatch (LayerMatch, Eq. 9), smoothfixmatch and smoothpseudolabel "
        "(Smooth Pseudo-Labeling, Eqs. 21 and 14), weak_strong (any base with any extensions), or a "
        "name that USB knows: fixmatch, flexmatch, comatch, vat, ...",
    )
    save_dir: Text = Field(default="./saved_models", description="Folder that holds the runs.")
    save_name: str | None = Field(
        default=None,
        description="Name of the run's folder; None makes it from algorithm, dataset, num_labels "
        "and seed, such as layermatch_cifar10_40_s0.",
    )
    resume: bool = Field(
        default=False,
        description="Go on from the last checkpoint if there is one (also with overwrite); "
        "without one the run starts afresh and says so.",
    )
    load_path: str | None = Field(
        default=None, description="Checkpoint to resume from; None is the run's own latest one."
    )
    overwrite: bool = Field(
        default=False,
        description="Delete an earlier run in the same folder, where it is not resumed. Only the "
        "command line may ask for it: in a file it has no effect.",
    )
    use_tensorboard: bool = Field(default=False, description="Also write TensorBoard curves.")
    use_wandb: bool = Field(
        default=False, description="Also log to Weights & Biases (package wandb)."
    )
    use_aim: bool = Field(default=False, description="Also log to Aim (package aim).")
    num_log_iter: Count = Field(default=50, description="Iterations between two logged lines.")
    num_eval_iter: Count = Field(
        default=500,
        description="Iterations between two evaluations; the last iteration is always evaluated.",
    )
    num_save_iter: Count | None = Field(
        default=None, description="Iterations between two checkpoints; None is num_eval_iter."
    )
    progress: Literal["auto", "bar", "lines", "off"] = Field(
        default="auto",
        description="How progress is shown: a bar, plain lines or nothing; auto is a bar on a "
        "terminal and lines elsewhere.",
    )
    device: str = Field(
        default="auto",
        description="Where it runs: auto (cuda if there is one, else mps, else cpu), cpu, mps, "
        "cuda or cuda:N.",
    )
    seed: Seed = Field(
        default=0,
        description="Training seed: initial weights, order of the batches, augmentation. 0 to "
        "4294967295; USB's default is 1.",
    )
    label_seed: Seed | None = Field(
        default=None,
        description="Seed of the choice of labelled images, apart from the training seed (Smooth "
        "Pseudo-Labeling, sec. 4.5); None is seed.",
    )
    num_threads: Count | None = Field(
        default=None, description="CPU threads of torch; None leaves torch's own choice."
    )

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        """Accept auto, cpu, mps, cuda and cuda:N."""
        kind, colon, number = value.partition(":")
        if value in DEVICES or (kind == "cuda" and colon and number.isdecimal()):
            return value
        raise ValueError("auto, cpu, mps, cuda or cuda:N such as cuda:0")
