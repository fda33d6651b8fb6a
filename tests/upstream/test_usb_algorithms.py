"""Which of USB's classes are mended, and the small mends."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.built import UNBALANCED, built

from usb_ext.engine.engine import Engine
from usb_ext.upstream.usb import ALGORITHMS, IMB_ALGORITHMS
from usb_ext.upstream.usb_algorithms import (
    MENDED,
    SECOND_HEADS,
    WRAPPING,
    CReST,
    forced_settings,
    mended,
)


def test_a_mended_class_is_one_of_usbs_with_its_options() -> None:
    registered = {*ALGORITHMS._dict.values(), *IMB_ALGORITHMS._dict.values()}
    for original, replacement in MENDED.items():
        assert original in registered and issubclass(replacement, original)
        options = [[a.name for a in c.get_argument() or []] for c in (original, replacement)]
        assert options[0] == options[1]


def test_classes_without_a_mend_stay_as_they_are() -> None:
    vat, abc = ALGORITHMS["vat"], IMB_ALGORITHMS["abc"]
    assert mended((abc, vat)) == (abc, vat)
    saw = IMB_ALGORITHMS["saw"]
    assert mended((saw, vat)) == (MENDED[saw], vat)


def test_no_algorithm_of_usbs_keeps_a_loop_of_its_own() -> None:
    """The engine's loop must be what runs, directly or through a mended class."""
    for registry in (ALGORITHMS, IMB_ALGORITHMS):
        for name, original in registry._dict.items():
            (part,) = mended((original,))
            run = type("Run", (part, Engine), {})
            owner = next(c for c in run.__mro__ if "train" in vars(c))
            assert owner.__module__.startswith("usb_ext."), name


def test_every_algorithm_that_wraps_the_network_or_predicts_by_another_head_is_known() -> None:
    """Those of USB's classes that build the network themselves, and those that evaluate themselves."""

    def overriding(registry: Any, method: str) -> set[str]:
        return {name for name, made in registry._dict.items() if method in vars(made)}

    assert overriding(ALGORITHMS, "set_model") == set(WRAPPING)
    assert overriding(IMB_ALGORITHMS, "set_model") == overriding(ALGORITHMS, "evaluate") == set()
    assert overriding(IMB_ALGORITHMS, "evaluate") == set(SECOND_HEADS)


def test_only_crest_overrules_settings() -> None:
    assert forced_settings((CReST, ALGORITHMS["fixmatch"])) == {"include_lb_to_ulb": False}
    assert forced_settings((IMB_ALGORITHMS["saw"], ALGORITHMS["fixmatch"])) == {}


@pytest.mark.parametrize("base", ["freematch", "softmatch"])
def test_dasos_hook_makes_probabilities_of_logits(tmp_path: Path, base: str) -> None:
    """USB's hook calls a method that it does not have, for bases that label from logits."""
    algorithm = built(tmp_path, **{**UNBALANCED, "algorithm": base}, imb_algorithm="daso")
    logits = torch.tensor([[0.0] * 9 + [3.0]])
    probs = algorithm.hooks_dict["PseudoLabelingHook"].compute_prob(logits)
    torch.testing.assert_close(probs, torch.softmax(logits, dim=1))


def test_debiaspls_running_mean_has_no_graph(tmp_path: Path) -> None:
    """USB's UDA gives it logits with one, and the second step fails in the first one's graph."""
    algorithm = built(tmp_path, **UNBALANCED, imb_algorithm="debiaspl", ema_m=0.5)
    start = algorithm.p_hat.clone()
    logits = torch.zeros(2, 10, requires_grad=True)
    probs = algorithm.compute_prob(logits)
    assert not algorithm.p_hat.requires_grad and probs.requires_grad
    expected = 0.5 * start + (1 - algorithm.ema_p) * torch.full((10,), 0.1)
    torch.testing.assert_close(algorithm.p_hat, expected)
