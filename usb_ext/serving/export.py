"""`usb-ext export`: the network of a run in a file for others, kept only if it computes the same."""

from dataclasses import dataclass
from pathlib import Path

import torch

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.core.files import replace_file
from usb_ext.core.outputs import check_new, claim_outputs
from usb_ext.serving.formats import FORMATS, Format
from usb_ext.serving.portable import OUTPUTS, portable, trial_batch
from usb_ext.training.load import TrainedRun, Which, load_run

TOLERANCE = 1e-5
"""ours: largest difference of an output, as a share of its largest value where that is above 1."""

TRIALS = (1, 5)
"""Sizes of the batches that both must agree on; neither is the one that was traced."""


@dataclass(frozen=True)
class ExportOrder:
    """What is to be exported.

    Attributes:
        run: folder of the run.
        kind: `onnx`, `torch` or `safetensors`.
        out: the file.
        which: of the run's checkpoints.
        overwrite: a file of ours in that place is replaced.
        plugin: the run's, where it does not lie where it lay.
    """

    run: Path
    kind: str
    out: Path
    which: Which = "latest"
    overwrite: bool = False
    plugin: str | None = None


def export_run(order: ExportOrder) -> list[str]:
    """Write the file, run it beside the network, and keep it if they agree within TOLERANCE.

    Returns:
        Lines to show.

    Raises:
        DataMissing: the run is missing or cannot be read.
        SettingsError: an ending that is not the format's, a package that is missing, or a file that may
            not be written.
        RunFailed: a network that cannot be exported, or an export that computes something else.
    """
    form = FORMATS[order.kind]
    if order.out.suffix != form.suffix:
        raise SettingsError(
            f"--out {order.out}: a file of --format {order.kind} ends in {form.suffix}"
        )
    check_new(order.out.parent, [order.out.name], overwrite=order.overwrite)
    form.check()
    run = load_run(order.run, which=order.which, device="cpu", plugin=order.plugin)
    run = run if run.frozen is None else run.on_images()
    claim_outputs(order.out.parent, [order.out.name])
    differences: list[float] = []

    def write(path: Path) -> None:
        form.write(run, path)
        differences.append(compared(run, form, path))

    replace_file(order.out, write)
    size = order.out.stat().st_size / 2**20
    return [
        f"{order.out}: {size:.1f} MiB, {len(run.classes)} classes; run beside the network on "
        f"{sum(TRIALS)} inputs, outputs differ by at most {differences[0]:.1e}"
    ]


@torch.inference_mode()
def compared(run: TrainedRun, form: Format, path: Path) -> float:
    """The largest difference of a file's outputs and those of the run's network.

    Args:
        run: whose network was exported.
        form: the format of the file.
        path: the file.

    Raises:
        RunFailed: it is above TOLERANCE, or an output is not finite.
    """
    network, exported = portable(run), form.opened(run, path)
    largest = 0.0
    for count in TRIALS:
        batch = trial_batch(run, count)
        for name, expected, found in zip(OUTPUTS, network(batch), exported(batch), strict=True):
            same = found.shape == expected.shape
            apart = float((found - expected).abs().max()) if same else float("nan")
            allowed = TOLERANCE * max(1.0, float(expected.abs().max()))
            if not apart <= allowed:
                raise RunFailed(
                    f"the exported network does not compute what the run's does: {name} differ by "
                    f"{apart:.1e} (allowed: {allowed:.1e}) on {count} inputs; nothing was written"
                )
            largest = max(largest, apart)
    return largest
