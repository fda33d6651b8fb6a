"""`check-config` and `train` give one verdict: drawn files, whole and mutated, under drawn flags."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign.settings import mutated
from support.settings_files import CONFIG

FILES = (
    "layermatch_digits_10",
    "smoothfixmatch_digits_40",
    "influence_digits_40",
    "influence_moons",
)
FLAGS: dict[str, tuple[str, ...]] = {
    "algorithm": ("fixmatch", "meanteacher", "mixmatch", "comatch", "crmatch", "uda", "selfmatch",
                  "smoothfixmatch", "layermatch", "influence_fixmatch", "vat", "refixmatch", "FixMatch"),
    "imb_algorithm": ("abc", "daso", "simis"),
    "base": ("dash", "softmatch", "fixmatch_eman", "nobody"),
    "extensions": ("grad_relu", "smooth_weight", "none_such"),
    "net": ("wrn_10_1", "vit_tiny_patch2_32", "no.where:f"),
    "dataset": ("digits", "cifar10", "Digits"),
    "p_cutoff": ("0.9", "1", "2", "high"),
    "num_labels": ("20", "7", "5000"),
    "img_size": ("8", "32"),
    "use_pretrain": ("true", "false"),
    "ema_m": ("0", "1"),
    "num_val": ("10", "None"),
    "use_cat": ("false",),
}  # fmt: skip


class Began(Exception):
    """Training would begin."""


def drawn(rng: np.random.Generator) -> tuple[bytes, list[str]]:
    """A settings file, every third one mutated, and up to three flags."""
    text = (CONFIG / f"{FILES[int(rng.integers(len(FILES)))]}.yaml").read_text(encoding="utf-8")
    content = mutated(rng, text) if rng.random() < 0.34 else text.encode()
    names = [str(name) for name in rng.permutation(list(FLAGS))[: int(rng.integers(4))]]
    words = [(f"--{n}", FLAGS[n][int(rng.integers(len(FLAGS[n])))]) for n in names]
    return content, [word for pair in words for word in pair]


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training ends where it would touch the disk or fetch data, and measures nothing before."""

    def began(*_: Any, **__: Any) -> None:
        raise Began

    monkeypatch.setattr("usb_ext.core.folders.Hold.open", began)
    monkeypatch.setattr(
        "usb_ext.training.train.calibrated", lambda s, args, state, build: (s, None)
    )
    from usb_ext.data.sets import IN_MEMORY
    from usb_ext.training import train

    load = train.load_data

    def at_hand(args: Any, settings: Any, *rest: Any) -> Any:
        return load(args, settings, *rest) if settings.dataset in IN_MEMORY else began()

    def found(settings: Any, *rest: Any) -> Any:
        return find(settings, *rest) if settings.dataset in IN_MEMORY else None

    find = train.find_data
    monkeypatch.setattr(train, "load_data", at_hand)
    monkeypatch.setattr(train, "find_data", found)


@pytest.mark.parametrize("seed", range(3))
def test_check_config_and_train_end_alike(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: None, seed: int
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(seed)
    codes = []
    for number in range(12):
        content, flags = drawn(rng)
        Path("c.yaml").write_bytes(content)
        flags += ["--device", "cpu", "--save_dir", "out", "--progress", "off"]
        checked, said, _ = call("check-config", "c.yaml", *flags)
        try:
            trained, _, told = call("train", "--c", "c.yaml", *flags)
        except Began:
            trained, told = 0, ""
        assert checked == trained, (number, content, flags, said, told)
        if trained:
            refused = told.splitlines()[-1].removeprefix("usb-ext: ")
            assert said.removeprefix("c.yaml: ").strip() == refused.removeprefix("c.yaml: ")
        codes.append(trained)
    assert 0 in codes and 2 in codes
    assert not Path("out").exists()
