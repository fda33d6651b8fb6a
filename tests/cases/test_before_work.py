"""What a person finds out before any work: sizes, paths, sounds, processes, logins, short runs."""

from pathlib import Path
from typing import Any

import pytest


def changed(folder: Path, *pairs: tuple[str, str]) -> None:
    """Other values in c.yaml."""
    lines = (folder / "c.yaml").read_text().splitlines()
    for name, value in pairs:
        lines = [line for line in lines if not line.startswith(f"{name}:")] + [f"{name}: {value}"]
    (folder / "c.yaml").write_text("\n".join(lines) + "\n")


def test_a_transformer_for_other_images_names_the_size_it_takes(typed: Any, tmp_path: Path) -> None:
    changed(tmp_path, ("img_size", "64"), ("net", "vit_tiny_patch2_32"))
    wanted = "net vit_tiny_patch2_32 does not take images of img_size 64; use img_size: 32"
    assert typed("check-config", "c.yaml") == (2, f"c.yaml: {wanted}\n")
    for command in ("train", "pretrain"):
        code, said = typed(command, "--c", "c.yaml", "--ssl_batch_size", "16", "--save_dir", "out")
        assert (code, said) == (2, f"usb-ext: {wanted}\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--pretrain_path", "my_weights.pth"), 3, "my_weights.pth"),
        (("--load_path", "out/a/latest_model.pth"), 2, "add --resume"),
        (("--resume", "--load_path", "out/a/latest_modle.pth"), 3, "latest_modle.pth"),
        (("--pretrain_path", "w.pth", "--use_pretrain", "false"), 2, "add --use_pretrain"),
    ],
)
def test_a_path_is_read_or_refused(
    typed: Any, tmp_path: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    found, said = typed("train", "--c", "c.yaml", "--save_dir", "out", *words)
    assert found == code and says in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("pairs", "code", "says"),
    [
        ((("dataset", "esc50"),), 2, "use net: wave2vecv2_base or hubert_base"),
        ((("net", "hubert_base"),), 2, "which hears sounds"),
        ((("dataset", "esc50"), ("net", "hubert_base")), 3, "sox_effects"),
    ],
)
def test_sounds_and_images_are_not_mixed_up(
    typed: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pairs: tuple[tuple[str, str], ...],
    code: int,
    says: str,
) -> None:
    from types import ModuleType

    today = ModuleType("torchaudio")  # 2.9 and later have no sox_effects
    monkeypatch.setattr("usb_ext.upstream.usb_datasets.import_real", lambda _: today)
    changed(tmp_path, *pairs)
    found, said = typed("check-config", "c.yaml")
    assert found == code and says in said and said.count("\n") == 1


def test_torchruns_processes_are_refused(
    typed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for command in ("train", "pretrain"):
        code, said = typed(command, "--c", "c.yaml", "--save_dir", "out")
        assert code == 2 and "WORLD_SIZE is 2" in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_wandb_without_a_login_is_refused_before_any_work(
    typed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    code, said = typed("train", "--c", "c.yaml", "--use_wandb", "true", "--save_dir", "out")
    assert code == 2 and "WANDB_MODE=offline" in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_short_run_of_a_slow_batch_norm_is_said_once_in_its_log(
    typed: Any, tmp_path: Path
) -> None:
    code, _ = typed("train", "--c", "c.yaml", "--save_dir", "out", "--save_name", "short")
    log = (tmp_path / "out" / "short" / "log.txt").read_text()
    assert (
        code == 0 and log.count("batch norm of this network has momentum 0.001: after 4 steps") == 1
    )
