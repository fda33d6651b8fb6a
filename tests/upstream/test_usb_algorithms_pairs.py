"""Pairs that USB would find out about in the middle of a run."""

from pathlib import Path
from typing import Any

import pytest
from support.built import UNBALANCED
from support.run import run

from usb_ext.core.errors import SettingsError
from usb_ext.methods.named import register
from usb_ext.settings.algorithms import BASES
from usb_ext.upstream.usb import ALGORITHMS, IMB_ALGORITHMS
from usb_ext.upstream.usb_algorithms import (
    NO_FEATURES,
    ONLY,
    REFUSED,
    REFUSED_BASES,
    SQUARED_ERROR,
    check_pair,
    supported,
)


def test_tables_name_registered_algorithms() -> None:
    register()
    known = set(ALGORITHMS.keys())
    assert {*ONLY, *REFUSED} == set(IMB_ALGORITHMS.keys())
    for names in (NO_FEATURES, SQUARED_ERROR, tuple(ONLY.values()), *REFUSED.values()):
        assert set(names) <= known
    for imbalanced, bases in REFUSED_BASES.items():
        assert set(bases) <= set(BASES) & set(REFUSED[imbalanced])


def test_a_base_is_refused_under_every_name() -> None:
    """Each of the three takes the strong view's features or its loss, which the base does not give."""
    register()
    assert not {"pseudolabel", "smoothpseudolabel", "influence_pseudolabel"} & set(supported("abc"))
    with pytest.raises(SettingsError, match="algorithm smoothfixmatch with base pseudolabel"):
        check_pair("smoothfixmatch", "abc", "pseudolabel")
    check_pair("smoothfixmatch", "abc", "uda")
    check_pair("weak_strong", "cossl", "pseudolabel")


def test_fixmatch_takes_every_imbalanced_algorithm() -> None:
    for imbalanced in IMB_ALGORITHMS.keys():
        check_pair("fixmatch", imbalanced)


def test_an_algorithm_of_a_users_own_is_not_refused() -> None:
    register()
    assert "layermatch" in supported("abc") and "layermatch" not in supported("tras")
    check_pair("comatch", None)


PAIRS = [(i, a) for i in IMB_ALGORITHMS.keys() for a in supported(i) if a != "weak_strong"]
FEW_STEPS: dict[str, Any] = {
    **UNBALANCED, "num_train_iter": 4, "num_wu_iter": 1, "da_len": 2, "queue_batch": 1,
    "proj_size": 8, "crest_num_gens": 2, "cossl_warm_epoch": 1, "cossl_tfe_warm_bs": 8,
    "daso_num_pretrain_iter": 2, "daso_num_pl_dist_iter": 1, "tras_warmup_epochs": 1,
    "darp_warmup_epochs": 0, "darp_num_refine_iter": 1,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("imbalanced", "algorithm"), PAIRS)
def test_a_pair_that_is_not_refused_trains(tmp_path: Path, imbalanced: str, algorithm: str) -> None:
    size = 32 if algorithm == "crmatch" else 16
    if algorithm == "layermatch" and imbalanced.startswith("crest"):
        pytest.skip("LayerMatch has extensions, which CReST refuses")
    step = {"step": "usb"} if algorithm in BASES else {}
    given = {**FEW_STEPS, "algorithm": algorithm, "imb_algorithm": imbalanced, "img_size": size}
    result = run(tmp_path, **given, **step)
    assert result is not None and result.iterations == 4


@pytest.mark.parametrize(
    ("algorithm", "imbalanced", "message"),
    [
        (
            "flexmatch",
            "adsh",
            "imb_algorithm adsh does not work on algorithm flexmatch.*: fixmatch$",
        ),
        ("vat", "abc", "abc does not work on algorithm vat.*fixmatch.*remixmatch"),
        ("mixmatch", "debiaspl", "debiaspl does not work on algorithm mixmatch"),
        ("simmatch", "crest+", r"crest\+ does not work on algorithm simmatch"),
        ("instant", "saw", "saw does not work on algorithm instant"),
        ("instant", "debiaspl", "debiaspl does not work on algorithm instant"),
    ],
)
def test_refused_before_any_work(
    tmp_path: Path, algorithm: str, imbalanced: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        run(tmp_path, algorithm=algorithm, imb_algorithm=imbalanced)
    assert caught.value.exit_code == 2 and not (tmp_path / "run").exists()


def test_a_chosen_base_is_refused_as_the_algorithm_of_that_name_is(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="saw does not work on .*weak_strong with base instant"):
        run(tmp_path, algorithm="weak_strong", base="instant", imb_algorithm="saw")
