"""Which of our runs a row of a paper's table is: the papers' names in terms of our settings.

Methods that we do not have (LESS) and numbers that no run's record holds (accuracy of prior
pseudo-labels) stand in no list: such rows stay the paper's alone.
"""

import re

from usb_ext.papers.ablations import ablation
from usb_ext.papers.tables import PublishedNumber
from usb_ext.papers.wanted import Wanted

DATASETS: dict[str, tuple[str, ...]] = {
    "CIFAR-10": ("cifar10",),
    "CIFAR-100": ("cifar100",),
    "STL-10": ("stl10",),
    "SVHN": ("svhn",),
    "IMDb": ("aclImdb",),
    "ImageNet": ("imagenet", "imagefolder"),
    "ImageNet-100": ("imagenet", "imagenet100", "imagefolder"),
}
"""Values of the setting `dataset` that a paper's data set may be."""

CLASSES: dict[str, int] = {"ImageNet": 1000, "ImageNet-100": 100}
"""Classes that tell a data set from another of the same name."""

PLAIN: dict[str, str] = {
    "Only Supervised": "supervised", "Supervised": "supervised", "Fine-tune": "supervised",
    "Pseudo-Label": "pseudolabel",
    "MeanTeacher": "meanteacher", "Mean-Teacher": "meanteacher", "MixMatch": "mixmatch",
    "Re-MixMatch": "remixmatch", "CoMatch": "comatch", "VAT": "vat", "UDA": "uda",
    "FixMatch": "fixmatch", "FixMatch* (CTA)": "fixmatch", "FlexMatch": "flexmatch",
    "SelfMatch (w FlexMatch)": "flexmatch", "Dash": "dash", "SoftMatch": "softmatch",
    "FreeMatch": "freematch", "AdaMatch": "adamatch",
    "InstanT": "instant",
}  # fmt: skip
"""An algorithm without any extension."""

EXTENDED: dict[str, tuple[str, frozenset[str]]] = {
    "Ours (UDA)": ("uda", frozenset({"influence"})),
    "Ours (FixMatch, CTA)": ("fixmatch", frozenset({"influence"})),
    "Ours": ("uda", frozenset({"influence"})),
    "Ours (w FlexMatch)": ("flexmatch", frozenset({"prior_label"})),
}
"""A base with extensions."""

LAYERMATCH = {
    "ac_reset_iter": 2048, "ac_momentum": 0.999, "ac_lr": 5e-4, "ac_loss_ratio": 1.0,
    "ulb_loss_ratio": 1.0, "ema_p": 0.999, "use_quantile": False, "clip_thresh": False,
}  # fmt: skip
"""LayerMatch's own numbers (Sec. 5.1, Tables 6 and 7)."""


def wanted(cell: PublishedNumber) -> Wanted | None:
    """The run that a cell asks for, or None where no run of ours can stand in its row.

    Args:
        cell: a cell of any of the tables.
    """
    required = _required(cell)
    if special := ablation(cell, required):
        return special
    if cell.method == "LayerMatch":
        return _layermatch(cell.setting, required)
    if cell.method in EXTENDED and "N = " not in cell.setting:
        base, extensions = EXTENDED[cell.method]
        return Wanted((), base, extensions, required, remark=_augmentation(cell))
    if cell.method not in PLAIN:
        return None
    name = PLAIN[cell.method]
    parts = frozenset({"grad_relu"} if cell.setting == "with Grad-ReLU" else ())
    learned = required.get("use_pretrain") or cell.method.startswith("SelfMatch")
    names = (name, "weak_strong", *(("selfmatch",) if learned else ()))
    return Wanted(names, name, parts, required, remark=_augmentation(cell))


def _required(cell: PublishedNumber) -> dict[str, object]:
    """Settings that the words of a row's `setting` stand for, and the number of classes."""
    required: dict[str, object] = {}
    if "initial weights" in cell.setting:
        required["use_pretrain"] = not cell.setting.startswith("random")
    if "active selection" in cell.setting:
        required["selection"] = "as3l"
    length = re.fullmatch(r"length (\d+)", cell.setting)
    if length:
        required["max_length"] = int(length[1])
    if cell.dataset in CLASSES:
        required["num_classes"] = CLASSES[cell.dataset]
    return required


def _layermatch(setting: str, required: dict[str, object]) -> Wanted:
    """LayerMatch, whole or with a part taken away (Table 4) or another N (Table 5)."""
    off = {part for part in ("Grad-ReLU", "Avg-Clustering") if f"{part} off" in setting}
    names = {"grad_relu": "Grad-ReLU", "avg_clustering": "Avg-Clustering"}
    parts = frozenset(name for name, part in names.items() if part not in off)
    resets = re.fullmatch(r"N = (\d+)", setting)
    if resets:
        required["ac_reset_iter"] = int(resets[1])
    own = {n: v for n, v in LAYERMATCH.items() if n not in required}
    if "avg_clustering" not in parts:
        own = {n: v for n, v in own.items() if not n.startswith("ac_")}
    return Wanted(("layermatch",), "freematch", parts, required, own)


def _augmentation(cell: PublishedNumber) -> str:
    return "RandAugment (paper: CTAugment)" if "CTA" in cell.method else ""
