"""Projectors by their sizes, and what is said where lightly is missing."""

import sys
from pathlib import Path

import pytest
from support.ssl import tiny
from torch import nn

from usb_ext.as3l.pretrain.method import output_dim, projector
from usb_ext.cli.main import main
from usb_ext.settings import Settings, load_settings


def test_the_default_projector_is_two_layers_of_2048_as_on_cifar() -> None:
    linear = [m for m in projector(Settings(), 128).modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(128, 2048), (2048, 2048)]
    norms = [m for m in projector(Settings(), 128).modules() if isinstance(m, nn.BatchNorm1d)]
    assert [m.affine for m in norms] == [True, False]
    three = projector(load_settings({"ssl_projector_layers": 3}).settings, 128)
    assert sum(isinstance(m, nn.Linear) for m in three.modules()) == 3


@pytest.mark.parametrize(("method", "size"), [("simsiam", 2048), ("simclr", 128), ("byol", 256)])
def test_the_size_of_the_output(method: str, size: int) -> None:
    assert output_dim(load_settings({"ssl_method": method}).settings) == size


def test_without_lightly_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "lightly.loss", None)
    settings = {
        k: v for k, v in tiny(tmp_path).settings.model_dump().items() if v not in (None, ())
    }
    words = [w for k, v in settings.items() for w in (f"--{k}", str(v))]
    assert main(["pretrain", *words]) == 2
    err = capsys.readouterr().err
    assert 'pip install "usb_ext[as3l]"' in err and err.count("\n") == 1
    assert not (tmp_path / "ssl").exists()
