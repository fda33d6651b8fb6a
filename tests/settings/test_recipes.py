"""The published settings against USB's own files and classes.

Always: rows for every algorithm that USB registers, each value the default of USB's class but for the
exceptions typed here from USB's files, and the columns that no class declares typed from there, too. With
USB_REPOSITORY, a clone of USB (bare or not) that has the commit: the whole table against the files.
What only that shows: that no file of a data set says something else than its row.
"""

import io
import os
import subprocess
import tarfile
from collections import defaultdict
from typing import Any

import pytest
from ruamel.yaml import YAML, YAMLError

from usb_ext.settings import Settings
from usb_ext.settings.algorithms import ALGORITHMS as OURS
from usb_ext.settings.algorithms import BASES
from usb_ext.settings.recipes import Method, family_of, published_rows, recipe_of, usb_recipe
from usb_ext.upstream.usb import ALGORITHMS, IMB_ALGORITHMS

FAMILIES = ("usb_cv", "classic_cv", "usb_nlp", "usb_audio")
IMBALANCED = "classic_cv_imb"
NO_LOSS = {
    "supervised",
    "fullysupervised",
    "vat",
    "freematch",
}  # whose files name no ulb_loss_ratio

# Typed from USB's files: weight of the unlabelled loss where it is not 1, the same in all families but for
# MixMatch's; momentum of the average where it is not the family's own.
WEIGHTS = {"meanteacher": 50, "pimodel": 10, "remixmatch": 1.5, "defixmatch": 0.5}
MIXMATCH = {"usb_cv": 10, "classic_cv": 100, "usb_nlp": 100, "usb_audio": 10}
EMA_M = {"usb_cv": 0.0, "classic_cv": 0.999, "usb_nlp": 0.0, "usb_audio": 0.0}
OTHER_EMA_M = {
    "usb_cv": {"meanteacher", "comatch", "simmatch"}, "classic_cv": set(), "usb_nlp": {"pimodel"},
    "usb_audio": {"meanteacher", "simmatch"},
}  # fmt: skip
OF_ONE = {
    "pseudolabel",
    "meanteacher",
    "mixmatch",
    "pimodel",
    "remixmatch",
}  # uratio 1 in classic_cv
# Typed from USB's files: options that are not the class's default.
COMATCH = {"hard_label": False, "T": 0.2, "proj_size": 64, "da_len": 32}
OTHERWISE: dict[str, dict[str, dict[str, object]]] = {
    "usb_cv": {
        "comatch": {**COMATCH, "queue_batch": 32}, "freematch": {"ent_loss_ratio": 0.001},
        "mixmatch": {"unsup_warm_up": 0.4}, "simmatch": {"T": 0.2, "da_len": 32},
    },
    "classic_cv": {
        "comatch": {**COMATCH, "queue_batch": 5}, "freematch": {"ent_loss_ratio": 0.001},
        "mixmatch": {"unsup_warm_up": 0.4}, "simmatch": {"T": 0.1, "da_len": 32},
    },
    "usb_nlp": {
        "comatch": COMATCH, "crmatch": {"rot_loss_ratio": 0.0}, "freematch": {"ent_loss_ratio": 0.001},
        "mixmatch": {"unsup_warm_up": 0.4, "mixup_manifold": True},
        "remixmatch": {"rot_loss_ratio": 0.0, "mixup_manifold": True},
        "simmatch": {"T": 0.1, "da_len": 32}, "uda": {"tsa_schedule": "exp"}, "vat": {"vat_embed": True},
    },
    "usb_audio": {
        "comatch": COMATCH, "crmatch": {"rot_loss_ratio": 0.0}, "freematch": {"ent_loss_ratio": 0.001},
        "mixmatch": {"unsup_warm_up": 0.4, "mixup_manifold": True},
        "remixmatch": {"rot_loss_ratio": 0.0, "mixup_manifold": True}, "simmatch": {"T": 0.2, "da_len": 32},
    },
    IMBALANCED: {
        "cossl": {"cossl_warm_epoch": 200, "cossl_tfe_warm_epoch": 10},
        "crest": {"crest_pro_dist_align": False}, "daso": {"daso_T_dist": 0.3},
    },
}  # fmt: skip
USBS = 19


def usb_names() -> list[str]:
    """What USB itself registers."""
    ours = {*OURS, *(name for name, base in BASES.items() if not base.in_usb)}
    return [name for name in ALGORITHMS.keys() if name not in ours]


def declared(family: str, name: str) -> dict[str, Any]:
    registered = IMB_ALGORITHMS if family == IMBALANCED else ALGORITHMS
    get = getattr(registered[name], "get_argument", lambda: [])
    return {a.name.lstrip("-"): a.default for a in get() or []}


def rows(family: str) -> dict[str, dict[str, Any]]:
    return {
        n: row for n, row in published_rows()[family].items() if isinstance(row, dict) and n != "on"
    }


def test_every_algorithm_of_usb_has_a_row_in_every_family() -> None:
    assert len(usb_names()) == USBS
    for family in FAMILIES:
        assert set(rows(family)) == set(usb_names()), family
    assert set(rows(IMBALANCED)) == set(IMB_ALGORITHMS.keys()) - {"tras"}  # USB has no file of TRAS


@pytest.mark.parametrize("family", [*FAMILIES, IMBALANCED])
def test_options_are_the_classes_own_defaults_but_for_the_published_ones(family: str) -> None:
    for name, row in rows(family).items():
        defaults = declared(family, name)
        options = {n: v for n, v in row.items() if n in defaults}
        extra = set(row) - set(defaults)
        assert extra <= {"ulb_loss_ratio", "ema_m", "uratio", "num_train_iter"}, (family, name)
        other = {n: v for n, v in options.items() if v != defaults[n]}
        assert other == OTHERWISE[family].get(name, {}), (family, name)


@pytest.mark.parametrize("family", FAMILIES)
def test_columns_that_no_class_declares(family: str) -> None:
    for name, row in rows(family).items():
        other = 0.999 if name in OTHER_EMA_M[family] else EMA_M[family]
        assert row["ema_m"] == other, name
        weight = MIXMATCH[family] if name == "mixmatch" else WEIGHTS.get(name, 1.0)
        assert row.get("ulb_loss_ratio") == (None if name in NO_LOSS else weight), name
        if "uratio" in row:
            assert row["uratio"] == (7 if family == "classic_cv" and name not in OF_ONE else 1), (
                name
            )


def test_a_data_set_may_have_other_values() -> None:
    """Typed from USB's files of these data sets."""
    assert usb_recipe("classic_cv", "mixmatch", "cifar100").values["ulb_loss_ratio"] == 150
    assert usb_recipe("classic_cv", "mixmatch", "cifar10").values["ulb_loss_ratio"] == 100
    for family in ("usb_cv", "classic_cv"):
        assert usb_recipe(family, "comatch", "stl10").values["contrast_loss_ratio"] == 5.0
    assert usb_recipe("classic_cv", "freematch", "svhn").values["clip_thresh"] is True
    assert "clip_thresh" not in usb_recipe("classic_cv", "freematch", "cifar10").values
    assert usb_recipe(IMBALANCED, "daso", "cifar10").values["daso_T_dist"] == 1.5
    assert (usb_recipe(IMBALANCED, "crest", "cifar10").steps, usb_recipe("usb_cv", "vat", "x").steps) == (
        65536, 204800,
    )  # fmt: skip


def test_every_value_is_one_that_the_setting_takes() -> None:
    texts: dict[str, Any] = {
        "dataset": "aclImdb",
        "num_classes": 2,
        "num_labels": 20,
        "net": "bert_base_uncased",
    }
    texts |= {"use_cat": False}
    for family in (*FAMILIES, IMBALANCED):
        others = published_rows()[family].get("on", {}).values()
        for part in (rows(family), *others):
            for row in part.values():
                run = texts if family == "usb_nlp" else {}
                Settings.model_validate({"algorithm": "vat", **run, **row})


@pytest.mark.parametrize(
    ("dataset", "net", "family"),
    [
        ("cifar10", "vit_tiny_patch2_32", "usb_cv"), ("cifar10", "wrn_28_2", "classic_cv"),
        ("digits", "wrn_10_1", "classic_cv"), ("imagefolder", "resnet50", "classic_cv"),
        ("aclImdb", "bert_base_uncased", "usb_nlp"), ("esc50", "hubert_base", "usb_audio"),
        ("mine", "my.nets:small", "classic_cv"), (["odd"], None, "classic_cv"),
    ],
)  # fmt: skip
def test_which_family_a_run_is_nearest_to(dataset: object, net: object, family: str) -> None:
    assert family_of(dataset, net) == family


def test_ours_have_their_bases_row_and_what_they_declare_over_it() -> None:
    layermatch = recipe_of(Method("layermatch", "freematch", None), "cifar10", "vit_tiny_patch2_32")
    assert (
        layermatch.values["ent_loss_ratio"] == 0.0
    )  # Eq. 9 has no fairness term; FreeMatch's row has 0.001
    assert layermatch.values["ema_p"] == 0.999 and layermatch.steps == 204800
    smooth = recipe_of(Method("smoothfixmatch", "fixmatch", None), "cifar10", "wrn_28_2")
    assert (smooth.values["p_cutoff"], smooth.values["ulb_loss_ratio"]) == (0.95, "calibrate")
    eman = recipe_of(Method("as3l", "fixmatch_eman", None), "imagefolder", "resnet50")
    assert (eman.values["p_cutoff"], eman.values["ulb_loss_ratio"]) == (0.7, 10.0)
    uda = recipe_of(Method("layermatch", "uda", None), "cifar10", "wrn_28_2")
    assert "ent_loss_ratio" not in uda.values and uda.values["T"] == 0.4
    assert recipe_of(Method("mine", None, None), "cifar10", "wrn_28_2").source == ""
    assert recipe_of(Method("on", None, None), "cifar10", "wrn_28_2").values == {}


REPOSITORY = os.environ.get("USB_REPOSITORY")


@pytest.fixture(scope="module")
def files() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """USB's files by (family, folder), from the commit that the table names."""
    told = ["git", "-C", str(REPOSITORY), "archive", str(published_rows()["commit"]), "config"]
    made = subprocess.run(told, check=True, capture_output=True).stdout
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        for member in archive.getmembers():
            parts = member.name.split("/")
            content = archive.extractfile(member) if member.name.endswith(".yaml") else None
            if content is None or len(parts) != 4:
                continue
            try:
                values = YAML(typ="safe", pure=True).load(content.read())
            except YAMLError:
                assert "refixmatch" in member.name  # one file of USB's is no YAML
                continue
            found[parts[1], parts[2]].append(values)
    return found


@pytest.mark.skipif(
    REPOSITORY is None,
    reason="USB_REPOSITORY names no clone of USB: that each of its files says what its row says is not shown",
)
@pytest.mark.parametrize("family", [*FAMILIES, IMBALANCED])
def test_the_whole_table_is_what_usbs_files_say(
    files: dict[tuple[str, str], list[dict[str, Any]]], family: str
) -> None:
    for name in rows(family):
        folders = [name] if family != IMBALANCED else [f"fixmatch_{name}", f"remixmatch_{name}"]
        theirs = [one for folder in folders for one in files[family, folder]]
        assert theirs, (family, name)
        taken = {*declared(family, name), "num_train_iter"} - {
            "K"
        }  # SimMatch's class sets K itself
        if family != IMBALANCED:
            taken |= {"ulb_loss_ratio", "ema_m", "uratio"}
        for one in theirs:
            found = usb_recipe(family, name, one["dataset"])
            ours = {**found.values, "num_train_iter": found.steps}
            said = {n: one[n] for n in taken if n in one}
            if (family, name, one["dataset"]) == (IMBALANCED, "darp", "imagenet127"):
                said["darp_warmup_epochs"] = ours["darp_warmup_epochs"]  # one of four has 150
            assert ours == said, (family, name, one["dataset"])
