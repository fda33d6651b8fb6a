"""Each format, read by others than us: the same numbers as the network by hand, at any size of batch.

Tracing a network and translating it take seconds a network, whatever its size.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from support.nets import tiny_vit
from support.used import MEAN, STD, Brightness, around
from torch import nn

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.data.preprocessing import ImagePreprocessing, PointPreprocessing
from usb_ext.serving.formats import FORMATS
from usb_ext.training.load import TrainedRun
from usb_ext.upstream.nets import wrn_10_1

ALONE = """
import json, sys
sys.modules["usb_ext"] = sys.modules["semilearn"] = None
import numpy, torch
for name in sys.argv[1:]:
    extra = {"usb_ext.json": ""}
    program = torch.export.load(name + ".pt2", extra_files=extra).module()
    outputs = program(torch.from_numpy(numpy.load(name + ".npy")))
    print(json.dumps([*(o.tolist() for o in outputs), json.loads(extra["usb_ext.json"])["classes"]]))
"""


def run_of(name: str) -> TrainedRun:
    """A run around WRN-10-1 on 16 pixels, with statistics that are not trivial, or a transformer on 8."""
    torch.manual_seed(0)
    net, size = (wrn_10_1(num_classes=3), 16) if name == "wrn" else (tiny_vit(), 8)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    transform = ImagePreprocessing(size, MEAN, STD)
    return around(net, ("a", "b", "c"), transform, net=f"{name}_10_1", num_classes=3)


def pixels(count: int, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(count).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def by_hand(run: TrainedRun, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Logits in float64, of inputs that numpy has normalised."""
    inputs = ((images / 255.0 - MEAN) / STD).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        found: np.ndarray[Any, Any] = run.network.double()(torch.from_numpy(inputs))[
            "logits"
        ].numpy()
    run.network.float()
    return found


def softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["wrn", "vit"])
def test_onnx_in_onnxruntime(name: str, tmp_path: Path) -> None:
    run, path = run_of(name), tmp_path / "x.onnx"
    FORMATS["onnx"].write(run, path)
    assert [p.name for p in tmp_path.iterdir()] == ["x.onnx"]  # nothing beside it
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    size = run.transform.to_json()["shape"][1]
    assert (taken.name, taken.type) == ("images", "tensor(uint8)")
    assert taken.shape == ["batch", size, size, 3]
    said = json.loads(session.get_modelmeta().custom_metadata_map["usb_ext"])
    assert said["classes"] == ["a", "b", "c"] and said["preprocessing"] == run.transform.to_json()
    for count in (1, 3, 8):
        images = pixels(count, size)
        logits, probabilities = session.run(["logits", "probabilities"], {"images": images})
        expected = by_hand(run, images)
        assert logits == pytest.approx(expected, abs=1e-5)
        assert probabilities == pytest.approx(softmax(expected), abs=1e-5)


def test_torch_programs_where_neither_usb_ext_nor_semilearn_is(tmp_path: Path) -> None:
    """In one process of their own for all, because importing torch takes seconds."""
    names, expected = ("wrn", "vit"), []
    for name in names:
        run = run_of(name)
        FORMATS["torch"].write(run, tmp_path / f"{name}.pt2")
        images = pixels(3, run.transform.to_json()["shape"][1])
        np.save(tmp_path / f"{name}.npy", images)
        expected.append(by_hand(run, images))
    done = subprocess.run(
        [sys.executable, "-P", "-c", ALONE, *names],
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    for line, values in zip(done.stdout.splitlines(), expected, strict=True):
        logits, probabilities, classes = json.loads(line)
        assert np.array(logits) == pytest.approx(values, abs=1e-5)
        assert np.array(probabilities) == pytest.approx(softmax(values), abs=1e-5)
        assert classes == ["a", "b", "c"]


def test_safetensors_holds_the_weights_and_says_what_they_are_of(tmp_path: Path) -> None:
    run, path = run_of("wrn"), tmp_path / "x.safetensors"
    FORMATS["safetensors"].write(run, path)
    with safe_open(path, framework="np") as file:
        held = {name: file.get_tensor(name) for name in file.keys()}
        said = json.loads(file.metadata()["usb_ext"])
    weights = run.network.state_dict()
    assert held.keys() == weights.keys()
    for name, values in held.items():
        assert np.array_equal(values, weights[name].numpy()), name
    assert said["classes"] == ["a", "b", "c"] and said["net"] == "wrn_10_1"


def test_safetensors_is_opened_in_a_new_network(tmp_path: Path) -> None:
    run, path = run_of("wrn"), tmp_path / "x.safetensors"
    FORMATS["safetensors"].write(run, path)
    before = {name: tensor.clone() for name, tensor in run.network.state_dict().items()}
    images = pixels(2, 16)
    with torch.inference_mode():
        logits, _ = FORMATS["safetensors"].opened(run, path)(torch.from_numpy(images))
    assert logits.numpy() == pytest.approx(by_hand(run, images), abs=1e-5)
    assert all(
        torch.equal(tensor, before[name]) for name, tensor in run.network.state_dict().items()
    )


def test_points(tmp_path: Path) -> None:
    run = around(Brightness(), "ab", PointPreprocessing(3))
    FORMATS["torch"].write(run, tmp_path / "x.pt2")
    opened = FORMATS["torch"].opened(run, tmp_path / "x.pt2")
    assert opened(torch.tensor([[1.0, 2.0, 6.0]]))[0].tolist() == [[3.0, -3.0]]


class Odd(nn.Module):
    """Decides by a value, which no graph can."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        mean = x.flatten(1).mean(dim=1)
        return {"logits": torch.stack([mean, -mean], 1) if float(mean.sum()) > 0 else mean[:, None]}


def test_a_network_that_cannot_be_followed(tmp_path: Path) -> None:
    with pytest.raises(RunFailed) as caught:
        FORMATS["torch"].write(around(Odd(), "ab", net="wrn_10_1"), tmp_path / "x.pt2")
    assert "network wrn_10_1 cannot be exported, torch.export says:" in str(caught.value)
    assert "\n" not in str(caught.value) and not (tmp_path / "x.pt2").exists()


@pytest.mark.parametrize("package", FORMATS["onnx"].needs)
def test_a_package_that_is_missing(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingsError, match=rf'needs the package {package} .*"usb_ext\[export\]"'):
        FORMATS["onnx"].check()
    FORMATS["torch"].check()
