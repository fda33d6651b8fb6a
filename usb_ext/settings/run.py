"""Settings of a run: what runs, where it is written, what is logged, on which device and seed, how fast.

Settings of speed change how fast a run goes, and its numbers by rounding at most. `augment` is the
exception: both ways draw from the same distribution of views, but not the same views.

Keys that occur in USB's files and that nothing in semilearn 0.3.2 reads (`clip` in every one) are
accepted with any single value; one warning names those that were given. A test looks for readers in the
wheel, so that a key does not stay here when it comes alive.
"""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import Count, FilePath, Scalar, Seed, Text, Whole

DEVICES = ("auto", "cpu", "mps", "cuda")


def save_interval(num_save_iter: int | None, num_eval_iter: int) -> int:
    """Iterations between two checkpoints: `num_save_iter`, or `num_eval_iter` where it is None."""
    return num_save_iter or num_eval_iter


class RunSettings(SettingsGroup):
    """What runs and what it leaves behind: the folder `save_dir/save_name`."""

    heading: ClassVar[str] = "Run and output"

    algorithm: Text = Field(
        default="layermatch",
        description="Algorithm: layermatch (LayerMatch, Eq. 9), smoothfixmatch and smoothpseudolabel "
        "(Smooth Pseudo-Labeling, Eqs. 21 and 14), weak_strong (any base with any extensions), or a "
        "name that USB knows: fixmatch, flexmatch, comatch, vat, ...",
    )
    recipe: str | None = Field(
        default=None,
        description="Where the method's settings came from, written where the command line has put another "
        "method in the place of the file's (Comparing methods); nothing reads it.",
    )
    plugin: FilePath | None = Field(
        default=None,
        description="A Python file of yours that adds data sets, bases, extensions or algorithms "
        "(Extending). It is imported before anything else is checked, which runs its code. Looked for in "
        "the working folder, then beside the settings file.",
    )
    save_dir: FilePath = Field(default="./saved_models", description="Folder that holds the runs.")
    save_name: str | None = Field(
        default=None,
        description="Name of the run's folder; None makes it from algorithm with base and extensions, "
        "dataset, num_labels and seed, such as layermatch_cifar10_40_s0 or fixmatch+grad_relu_digits_10_s0.",
    )
    save_tag: str | None = Field(
        default=None,
        description="More words in a made name; method options given beside a file add themselves, "
        "such as p_cutoff0.9.",
    )
    resume: bool = Field(
        default=False,
        description="Go on from the last checkpoint if there is one (also with overwrite); "
        "without one the run starts afresh and says so.",
    )
    load_path: FilePath | None = Field(
        default=None, description="Checkpoint to resume from; None is the run's own latest one."
    )
    extended_at: tuple[Count, ...] | None = Field(
        default=None,
        description="Steps at which the run had ended and was made longer (--resume with a larger "
        "num_train_iter), written by the run itself; what is given here has no effect.",
    )
    overwrite: bool = Field(
        default=False,
        description="Replace an earlier run in the same folder, where it is not resumed; it is kept as "
        "NAME.replaced-TIME until the first checkpoint. Only the command line may ask for it: in a file it "
        "has no effect.",
    )
    yes: bool = Field(
        default=False,
        description="Go on where class folders look like something else, such as a camera's folders.",
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

    @field_validator("extended_at", mode="before")
    @classmethod
    def _steps_as_tuple(cls, value: object) -> object:
        """A YAML list; the model itself holds a tuple."""
        return tuple(value) if isinstance(value, list) else value

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        """Accept auto, cpu, mps, cuda and cuda:N."""
        kind, colon, number = value.partition(":")
        if value in DEVICES or (kind == "cuda" and colon and number.isdecimal()):
            return value
        raise ValueError("auto, cpu, mps, cuda or cuda:N such as cuda:0")


class DistributedSettings(SettingsGroup):
    """Several processes that train one run, in the words of USB's launcher."""

    heading: ClassVar[str] = "Several processes (USB's keys, and how they work together)"

    world_size: Count = Field(
        default=1,
        description="Number of machines that train the run together, each started with its rank.",
    )
    rank: Whole = Field(default=0, description="Number of this machine, from 0.")
    multiprocessing_distributed: bool = Field(
        default=False,
        description="Start one process for each GPU of this machine; without one the run has one process.",
    )
    dist_url: str = Field(
        default="tcp://127.0.0.1:11111",
        description="Where the machines meet, with world_size above 1: tcp://HOST:PORT of the machine of "
        "rank 0. On one machine a free port is taken.",
    )
    dist_backend: str = Field(
        default="nccl",
        description="No effect: the processes talk by nccl on CUDA and by gloo elsewhere.",
    )
    gpu: Whole | None = Field(
        default=None,
        description="Number of the GPU where device is auto; a run on it has one process.",
    )
    sync_bn: bool = Field(
        default=True,
        description="Batch norm over the batch of all processes, as one process computes it; off, each "
        "process normalises its own share, and the running statistics are the first one's.",
    )
    meet_seconds: Count = Field(
        default=300, description="How long a process waits for the others at the start."
    )


class DeadSettings(SettingsGroup):
    """Accepted, reported and without effect."""

    heading: ClassVar[str] = "Keys of USB's files that have no effect"

    clip: Scalar | None = Field(default=None, description="No effect; clip_grad clips gradients.")
    dist_align_target: Scalar | None = Field(
        default=None, description="No effect; SoftMatch's target is chosen by dist_uniform."
    )
    use_epass: Scalar | None = Field(default=None, description="No effect (EPASS projectors).")
    use_refix: Scalar | None = Field(default=None, description="No effect (ReFixMatch).")
    no_low: Scalar | None = Field(default=None, description="No effect (multi-head margins).")
    smoothness: Scalar | None = Field(default=None, description="No effect (multi-head margins).")
    num_heads: Scalar | None = Field(default=None, description="No effect (multi-head margins).")
    apm_percentile: Scalar | None = Field(
        default=None, description="No effect (multi-head margins)."
    )
    apm_disagreement_weight: Scalar | None = Field(
        default=None, description="No effect (multi-head margins)."
    )
    threshold_algo: Scalar | None = Field(
        default=None, description="No effect (multi-head margins)."
    )
    simis_la: Scalar | None = Field(default=None, description="No effect (SimiS).")


class SpeedSettings(SettingsGroup):
    """How images are augmented and how the network is run."""

    heading: ClassVar[str] = "Speed"

    augment: Literal["usb", "batched"] = Field(
        default="usb",
        description="Who makes the views: usb is USB's own pipeline, image by image with Pillow in "
        "worker processes; batched makes the same views (RandAugment, Cutout, crop, mirror) with "
        "tensor operations on whole batches, on the training device.",
    )
    image_budget_mb: Whole = Field(
        default=8192,
        description="Memory in MiB that augment: batched may take on the training device for the "
        "images; a larger set stays in the host's memory and is sent in blocks.",
    )
    channels_last: bool = Field(
        default=True,
        description="Store images and convolution weights channels-last, which convolutions like.",
    )
    fused_optimizer: bool = Field(
        default=True, description="Use torch's fused optimizer where the device has one."
    )
    compile: Literal["off", "default", "reduce-overhead"] = Field(
        default="off",
        description="torch.compile of the network; reduce-overhead also records CUDA graphs. "
        "Without a compiler the run goes on uncompiled and says so.",
    )
    tf32: bool = Field(
        default=False,
        description="Let CUDA multiply float32 matrices with TF32's 10-bit mantissa.",
    )
