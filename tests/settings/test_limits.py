"""Values that are each allowed and that no run can carry, and texts that are no settings."""

import time
from pathlib import Path

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"momentum": 0.0}, "Nesterov"),
        ({"vat_embed": True}, "vat_embed is True"),
        ({"ssl_batch_size": 1}, "at least 2"),
        ({"toy_seed": 2**32}, "at most 4294967295"),
        ({"save_name": "a\0b"}, "NUL"),
        ({"data_dir": "a\0b"}, "NUL"),
        ({"save_name": "x" * 300}, "300 bytes"),
        ({"save_dir": "ok/" + "\u00e9" * 130}, "260 bytes"),
        ({"num_train_iter": 2**60}, "larger than any run can count"),
        ({"dataset": "esc50"}, "holds sounds"),
        ({"net": "hubert_base"}, "which hears sounds"),
    ],
)
def test_a_value_that_no_run_can_carry_is_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(given)
    assert says in str(caught.value)


def test_no_momentum_is_fine_where_there_is_none() -> None:
    assert load_settings({"momentum": 0.0, "optim": "AdamW"}).settings.momentum == 0


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(12)
)
MERGES = "a: &a {lr: 1}\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)}\n  <<: [{', '.join(['*' + chr(97 + i)] * 9)}]\n"
    for i in range(12)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LAUGHS, "nested values"),
        (MERGES, "nested values"),
        ("lr: " + "[" * 100_000, "nested values"),
        ("lr: " + "{a: " * 3000, "nested values"),
        ("resume: !!bool maybe", "no value of its type"),
        ("seed: !!int x", ":"),
        ("seed: !!float x", ":"),
        ("seed: !!timestamp x", ":"),
        ("seed: " + "9" * 5000, ":"),
        ("seed: 0x" + "f" * 5000, "seed"),
        ("lr: " + "9" * 400, "lr"),
        ("# " + "x" * 2**21, "larger than"),
    ],
)
def test_a_text_that_is_no_settings_is_refused_at_once(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    began = time.perf_counter()
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert time.perf_counter() - began < 10
    message = str(caught.value)
    assert says in message and "\n" not in message and len(message) < 400


def test_a_plain_reference_is_no_nesting(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("lr: &rate 0.1\nssl_lr: *rate\nextensions: [grad_relu]\n")
    assert load_settings(path).settings.ssl_lr == 0.1


@pytest.mark.parametrize(
    ("path", "switch"), [("pretrain_path", "use_pretrain"), ("load_path", "resume")]
)
def test_a_path_whose_switch_is_off_is_refused_or_said(path: str, switch: str) -> None:
    """USB's files carry both paths; what a person has just typed is meant."""
    off = {path: "some/file", switch: False}
    (said,) = load_settings(off).warnings
    assert f"{path} is 'some/file' but {switch} is False" in said
    with pytest.raises(SettingsError, match=f"add --{switch}"):
        load_settings({switch: False}, {path: "some/file"})
    assert load_settings({switch: True}, {path: "some/file"}).warnings == ()
    assert load_settings({path: None, switch: False}).warnings == ()


def test_a_path_of_weights_alone_asks_for_them() -> None:
    assert load_settings({"pretrain_path": "w.pth"}).settings.use_pretrain
    assert not load_settings({"pretrain_path": ""}).settings.use_pretrain
