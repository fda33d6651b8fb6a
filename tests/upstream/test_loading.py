"""Loading the real semilearn in this process, with whatever packages are installed."""

import argparse
import base64
import hashlib
import importlib
import importlib.metadata
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.upstream import loading
from usb_ext.upstream.loading import REGISTERED, load_semilearn
from usb_ext.upstream.stand_ins import DeferredModule, DeferredName, MissingDependency

load_again = load_semilearn.__wrapped__  # past the cache


@pytest.fixture(scope="module")
def usb() -> ModuleType:
    return load_semilearn()


def test_all_algorithms_are_registered_and_the_second_call_is_free(usb: ModuleType) -> None:
    utils = importlib.import_module("semilearn.core.utils")
    assert len(REGISTERED) == 29
    assert {*utils.ALGORITHMS.keys(), *utils.IMB_ALGORITHMS.keys()} >= set(REGISTERED)
    assert load_semilearn() is usb is sys.modules["semilearn"]


def test_no_stand_in_is_left_and_no_other_package_caught_one(usb: ModuleType) -> None:
    modules = {n: m for n, m in sys.modules.items() if isinstance(m, ModuleType)}
    assert not [name for name, module in modules.items() if type(module) is DeferredModule]
    elsewhere = [vars(m) for n, m in modules.items() if not n.startswith(("semilearn", "test_"))]
    deferred = (DeferredModule, DeferredName)
    assert not [key for names in elsewhere for key, v in names.items() if type(v) in deferred]


def test_every_file_of_the_wheel_is_imported_and_none_is_changed(usb: ModuleType) -> None:
    files = importlib.metadata.files("semilearn") or []
    code = [f for f in files if f.suffix == ".py" and f.name != "dataset.py"]
    assert len(code) > 100
    for file in code:
        name = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        assert name in sys.modules, f"{name} would be imported later, without stand-ins"
        digest = hashlib.sha256(Path(str(file.locate())).read_bytes()).digest()
        assert file.hash is not None
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value


def test_the_real_timm_serves_a_vision_transformer(usb: ModuleType) -> None:
    timm_layers = pytest.importorskip("timm.layers")
    vit = importlib.import_module("semilearn.nets.vit.vit")
    net = vit.vit_tiny_patch2_32(num_classes=3)
    assert sum(type(part) is timm_layers.DropPath for part in net.modules()) > 0
    assert net(torch.zeros(1, 3, 32, 32))["logits"].shape == (1, 3)


def test_the_real_transformers_serve_text_and_audio(usb: ModuleType) -> None:
    bert = importlib.import_module("semilearn.nets.bert.bert")
    assert bert.BertModel.config_class is sys.modules["transformers"].BertConfig
    collators = importlib.import_module("semilearn.datasets.collactors.audio_collactor")
    assert collators.PaddingStrategy.LONGEST.value == "longest"
    batch = collators.default_data_collator([{"idx": 3}, {"idx": 4}], return_tensors="pt")
    assert batch["idx"].tolist() == [3, 4]
    collator = collators.DataCollatorWithPadding(
        lambda wavs, **_: {"input_values": wavs}, max_length=4
    )
    rows = [{"idx": 5, "wav": 0.5, "label": 1}]
    assert collator(rows)["x_lb"] == [0.5]


def test_a_semilearn_imported_before_is_taken_as_it_is(
    usb: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "check_release", lambda: pytest.fail("checked"))
    assert load_again() is usb


def test_an_algorithm_that_does_not_import_or_register_is_an_error(
    usb: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "REGISTERED", [*REGISTERED, "layerless"])
    with pytest.raises(RunFailed, match="did not register layerless"):
        load_again()
    registry = importlib.import_module("semilearn.core.utils.registry")
    monkeypatch.setattr(registry, "ALL_MODULES", [("semilearn.algorithms", ["nosuch"])])
    with pytest.raises(
        MissingDependency, match="needs semilearn.algorithms.nosuch.*semilearn==0.3.2"
    ):
        load_again()


def test_a_required_package_that_is_absent_is_named_as_pip_knows_it(
    usb: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")

    monkeypatch.setattr(loading, "_register_all", fail)
    with pytest.raises(MissingDependency, match="pip install scikit-learn"):
        load_again()


@pytest.mark.parametrize("left", [None, ModuleType("torch.cuda.amp")])
def test_names_that_torch_cuda_amp_may_lose(
    left: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.cuda.amp", left)  # type: ignore[arg-type]
    names: dict[str, Any] = {}
    with loading._amp_in_torch_cuda():
        exec("from torch.cuda.amp import GradScaler, autocast", names)
    assert sys.modules.get("torch.cuda.amp") is left
    assert isinstance(names["GradScaler"](enabled=False), torch.amp.GradScaler)
    assert names["autocast"](enabled=False).device == "cuda"


def test_settings_files_are_read_safely_by_usb_too(usb: ModuleType, tmp_path: Path) -> None:
    read = importlib.import_module("semilearn.core.utils").over_write_args_from_file
    assert importlib.import_module("semilearn.core.utils.misc").over_write_args_from_file is read
    args = argparse.Namespace(lr=0.1, seed=0)
    file = tmp_path / "settings.yaml"
    file.write_text("lr: 5e-05\nresume: True\ngpu: None\n")
    read(args, str(file))
    read(args, "")
    assert vars(args) == {"lr": 5e-05, "seed": 0, "resume": True, "gpu": "None"}
    trap = tmp_path / "trap"
    for text in (f"a: !!python/object/apply:os.mkdir ['{trap}']", "a: 1\na: 2", "- 1", ""):
        file.write_text(text)
        with pytest.raises(SettingsError, match="settings.yaml"):
            read(args, str(file))
    assert not trap.exists()
