"""The three formats of an export: each writes a file, and runs a file that it has written.

`onnx` and `torch` (a program of torch.export) hold the network with its preprocessing and load without
usb_ext and semilearn; `safetensors` holds weights alone.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch
from safetensors.torch import load, save

from usb_ext.core.errors import RunFailed, SettingsError, reason
from usb_ext.engine.frozen import FrozenThenTrained
from usb_ext.engine.network import SecondHead, builder, tensors_of
from usb_ext.serving.portable import (
    METADATA,
    OUTPUTS,
    Portable,
    described_as_text,
    input_name,
    portable,
    trial_batch,
)
from usb_ext.training.load import TrainedRun

TEXT_FILE = f"{METADATA}.json"
"""Of a torch program: the extra file with the metadata."""

Run = Callable[[torch.Tensor], Sequence[torch.Tensor]]
"""From a batch to logits and probabilities, (B, K) each."""


@dataclass(frozen=True)
class Format:
    """A format of an export.

    Attributes:
        suffix: the ending of its files.
        write: writes the network of a run to a path.
        opened: what a file that was written computes; the run gives what the file does not hold.
        needs: packages beside the installation's own.
    """

    suffix: str
    write: Callable[[TrainedRun, Path], None]
    opened: Callable[[TrainedRun, Path], Run]
    needs: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse a format whose packages are missing.

        Raises:
            SettingsError: naming the package and how it is had.
        """
        for package in self.needs:
            try:
                import_module(package)
            except ImportError as error:
                raise SettingsError(
                    f"--format onnx needs the package {package} ({reason(error)}); pip install "
                    '"usb_ext[export]"'
                ) from error


def traced(run: TrainedRun) -> "torch.export.ExportedProgram":
    """The network with its preprocessing as a graph for any size of batch.

    Raises:
        RunFailed: a network that torch.export cannot follow.
    """
    sizes = ({0: torch.export.Dim("batch", min=1)},)
    network: Portable = portable(run)
    with exporting(run, "torch.export"):
        return torch.export.export(network, (trial_batch(run, 2),), dynamic_shapes=sizes)


@contextmanager
def exporting(run: TrainedRun, whose: str) -> Iterator[None]:
    """Inside, an exporter works on the network of a run; whatever it raises becomes one line.

    Args:
        run: whose network it is.
        whose: the exporter's name.

    Raises:
        RunFailed: with the exporter's reason.
    """
    try:
        with quietly():
            yield
    except Exception as error:  # an own network raises what it likes when it is traced
        raise RunFailed(
            f"network {run.settings.net} cannot be exported, {whose} says: {reason(error)}; "
            "--format safetensors takes its weights"
        ) from error


@contextmanager
def quietly() -> Iterator[None]:
    """Inside, what exporters say about themselves is not shown."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _write_torch(run: TrainedRun, path: Path) -> None:
    program, extra = traced(run), {TEXT_FILE: described_as_text(run)}
    with path.open("wb") as file, quietly():  # a name of another ending is warned about
        torch.export.save(program, file, extra_files=extra)


def _opened_torch(_: TrainedRun, path: Path) -> Run:
    with path.open("rb") as file, quietly():
        network: Run = torch.export.load(file).module()
    return network


def _write_onnx(run: TrainedRun, path: Path) -> None:
    program = traced(run)
    with exporting(run, "torch.onnx"):
        made = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=[input_name(run)],
            output_names=list(OUTPUTS), dynamic_shapes=({0: "batch"},),
        )  # fmt: skip
        if made is None:
            raise ValueError("nothing")
    made.model.metadata_props[METADATA] = described_as_text(run)
    made.save(str(path), external_data=False)


def _opened_onnx(run: TrainedRun, path: Path) -> Run:
    session = import_module("onnxruntime").InferenceSession(
        path.read_bytes(), providers=["CPUExecutionProvider"]
    )
    name = input_name(run)

    def computed(batch: torch.Tensor) -> Sequence[torch.Tensor]:
        return [torch.from_numpy(o) for o in session.run(list(OUTPUTS), {name: batch.numpy()})]

    return computed


def _write_safetensors(run: TrainedRun, path: Path) -> None:
    path.write_bytes(save(tensors_of(run.network), metadata={METADATA: described_as_text(run)}))


def _opened_safetensors(run: TrainedRun, path: Path) -> Run:
    """The weights in a network that is built anew; one of two parts is a copy that was emptied."""
    fresh = deepcopy(run.network).cpu()
    if not isinstance(fresh, SecondHead | FrozenThenTrained):
        fresh = builder(run.settings)(num_classes=run.settings.num_classes)
    with torch.no_grad():
        for tensor in fresh.state_dict().values():
            tensor.zero_()
    fresh.load_state_dict(load(path.read_bytes()))
    return Portable(fresh, run.transform).eval()


FORMATS = {
    "onnx": Format(".onnx", _write_onnx, _opened_onnx, ("onnx", "onnxruntime", "onnxscript")),
    "torch": Format(".pt2", _write_torch, _opened_torch),
    "safetensors": Format(".safetensors", _write_safetensors, _opened_safetensors),
}
