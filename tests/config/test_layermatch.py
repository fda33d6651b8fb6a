"""LayerMatch's settings files against the paper: Tables 6 and 7, the cells of Tables 1 to 3, Sec. 5.1.

The values stand here as the paper prints them, typed from its tables and not from the files.
"""

import re

import pytest
from ruamel.yaml import YAML
from support.settings_files import CONFIG, header, settings

from usb_ext.settings.usb_options import ConsistencySettings, ThresholdSettings
from usb_ext.training.compose import algorithm_classes, resolved
from usb_ext.upstream.usb import ALGORITHMS

RELEASE = "https://github.com/microsoft/Semi-supervised-learning/releases/download/v.0.0.0/"
NETS = {
    "ViT-T-P2-32": "vit_tiny_patch2_32",
    "ViT-S-P4-32": "vit_small_patch2_32",  # USB has no ViT-S with patches of 4
    "ViT-B-P16-96": "vit_base_patch16_96",
    "WRN-28-2": "wrn_28_2",
    "WRN-28-8": "wrn_28_8",
    "WRN-37-2": "wrn_var_37_2",
    "ResNet-50": "resnet50",
}
"""Names in the paper, names in USB."""

# Table 6: model, learning rate, layer decay, and USB's file of weights.
TABLE_6 = {
    "layermatch_cifar10_10": ("ViT-T-P2-32", 5e-4, 0.5, "vit_tiny_patch2_32_mlp_im_1k_32.pth"),
    "layermatch_cifar100_200": ("ViT-S-P4-32", 5e-4, 0.5, "vit_small_patch2_32_mlp_im_1k_32.pth"),
    "layermatch_stl10_10": ("ViT-B-P16-96", 1e-4, 0.95, "mae_pretrain_vit_base.pth"),
}
# Table 7: model, weight decay.
TABLE_7 = {
    "layermatch_scratch_cifar10_40": ("WRN-28-2", 5e-4),
    "layermatch_scratch_cifar100_400": ("WRN-28-8", 1e-3),
    "layermatch_scratch_stl10_40": ("WRN-37-2", 5e-4),
    "layermatch_scratch_imagenet100_10000": ("ResNet-50", 3e-4),
}
# Tables 1 to 3: numbers of labels and LayerMatch's accuracy with its error bar (2 sigma; Table 3: F1).
CELLS = {
    "layermatch_cifar10_10": {10: (93.94, 3.9), 40: (97.65, 0.1), 250: (97.78, 0.1)},
    "layermatch_cifar100_200": {200: (76.95, 1.4), 400: (83.07, 1.1), 2500: (87.34, 0.2)},
    "layermatch_stl10_10": {10: (68.52, 8.0), 40: (88.83, 3.0), 100: (92.25, 1.2)},
    "layermatch_scratch_cifar10_40": {40: (94.92, 0.1), 250: (95.03, 0.1), 4000: (95.67, 0.1)},
    "layermatch_scratch_cifar100_400": {
        400: (60.87, 0.7), 2500: (73.96, 0.7), 10000: (78.39, 0.2),
    },
    "layermatch_scratch_stl10_40": {40: (84.07, 4.0), 250: (92.68, 0.1), 1000: (94.58, 0.0)},
    "layermatch_scratch_imagenet100_10000": {10000: (72.54, 72.12)},
}  # fmt: skip
# Sec. 5.1: labelled images a class; classes and image sizes of the data sets (ImageNet's size: ours).
PER_CLASS = {
    "layermatch_cifar10_10": (1, 4, 25), "layermatch_cifar100_200": (2, 4, 25),
    "layermatch_stl10_10": (1, 4, 10), "layermatch_scratch_cifar10_40": (4, 25, 400),
    "layermatch_scratch_cifar100_400": (4, 25, 100), "layermatch_scratch_stl10_40": (4, 25, 100),
    "layermatch_scratch_imagenet100_10000": (100,),
}  # fmt: skip
SETS = {"cifar10": (10, 32), "cifar100": (100, 32), "stl10": (10, 96), "imagefolder": (100, 224)}
BASELINES = ["fixmatch", "flexmatch", "freematch", "softmatch", "adamatch", "uda", "dash"]
BASELINES += ["instant"]


@pytest.mark.parametrize("name", TABLE_6)
def test_table_6(name: str) -> None:
    model, lr, layer_decay, weights = TABLE_6[name]
    s = settings(name)
    assert (s.net, s.lr, s.layer_decay) == (NETS[model], lr, layer_decay)
    assert s.use_pretrain and s.pretrain_path == RELEASE + weights
    assert s.weight_decay == 5e-4
    assert (s.batch_size, s.batch_size * s.uratio) == (8, 8)
    assert (s.optim, s.ema_m, s.ema_p) == ("AdamW", 0.0, 0.999)
    assert (s.num_train_iter, s.num_warmup_iter) == (204_800, 5_120)


@pytest.mark.parametrize("name", TABLE_7)
def test_table_7(name: str) -> None:
    model, weight_decay = TABLE_7[name]
    s = settings(name)
    assert (s.net, s.weight_decay, s.lr, s.momentum) == (NETS[model], weight_decay, 0.03, 0.9)
    assert not s.use_pretrain and s.layer_decay == 1.0
    assert s.batch_size * s.uratio == 448
    assert (s.optim, s.ema_m, s.ema_p) == ("SGD", 0.999, 0.999)
    assert (s.num_train_iter, s.num_warmup_iter) == (2**20, 0)


@pytest.mark.parametrize("name", CELLS)
def test_layermatchs_own_numbers(name: str) -> None:
    """Sec. 5.1: N, m, alpha and both loss weights; FreeMatch's threshold without fairness (Eq. 9)."""
    given = settings(name)
    s = resolved(given, algorithm_classes(given))
    assert (s.ac_reset_iter, s.ac_momentum, s.ac_lr) == (2048, 0.999, 5e-4)
    assert (s.ulb_loss_ratio, s.ac_loss_ratio, s.ent_loss_ratio) == (1.0, 1.0, 0.0)
    assert (s.algorithm, s.active_base) == ("layermatch", "freematch")
    assert s.active_extensions == ("grad_relu", "avg_clustering")
    assert (s.use_quantile, s.clip_thresh, s.hard_label) == (False, False, True)
    assert (s.label_split, s.include_lb_to_ulb, s.use_cat, s.amp) == (
        "per_class",
        True,
        True,
        "off",
    )


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_of_the_tables_is_a_command_in_the_header(name: str) -> None:
    first, *others = CELLS[name]
    s = settings(name)
    assert (s.num_labels, s.seed) == (first, 0)
    assert (s.num_classes, s.img_size) == SETS[s.dataset]
    assert tuple(n // s.num_classes for n in CELLS[name]) == PER_CLASS[name]
    lines = header(name)
    assert lines[0] == f"python usb_ext/train.py --c config/{name}.yaml"
    commands = {int(n): line for line in lines for n in re.findall(r"--num_labels (\d+)", line)}
    assert sorted(commands) == others
    for number, (mean, bar) in CELLS[name].items():
        text = commands.get(number, " ".join(lines))
        between = " and F1 " if "imagenet" in name else " +- "
        assert f"{mean:.2f}{between}{bar}" in text
        assert settings(name, num_labels=number).num_labels == number


def test_every_family_of_the_paper_has_its_file_and_its_own_run_folders() -> None:
    assert set(CELLS) == {*TABLE_6, *TABLE_7}
    shipped = {path.stem for path in CONFIG.glob("layermatch_*.yaml")}
    assert shipped - set(CELLS) == {"layermatch_digits_10", "layermatch_imagefolder"}
    folders = [settings(n, num_labels=count).run_dir for n in CELLS for count in CELLS[n]]
    assert len(set(folders)) == len(folders) == 19


@pytest.mark.parametrize("name", CELLS)
def test_files_are_flat_and_read_alike_by_either_yaml(name: str) -> None:
    """USB puts each key into its namespace as it is read; YAML 1.1 reads 5e-4 as text and off as False."""
    text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
    by_version = []
    for version in ((1, 1), (1, 2)):
        reader = YAML(typ="safe", pure=True)
        reader.version = version
        by_version.append(reader.load(text))
    assert by_version[0] == by_version[1]
    assert all(isinstance(value, bool | int | float | str) for value in by_version[0].values())
    assert len(text.splitlines()) <= 50


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("name", CELLS)
def test_a_baseline_by_flag_has_its_own_options_and_the_rest_of_the_file(
    name: str, baseline: str
) -> None:
    """USB's class of that name declares the options; its files change one default of these seven."""
    given = settings(name, algorithm=baseline)
    s = resolved(given, algorithm_classes(given))
    own = {a.name.lstrip("-"): a.default for a in ALGORITHMS[baseline].get_argument()}
    if baseline == "freematch":
        own["ent_loss_ratio"] = 0.001  # config/usb_cv/freematch/*.yaml; the class has 0.01
    assert {option: getattr(s, option) for option in own} == own
    assert s.active_extensions == () and s.active_base == baseline
    options = {
        *ThresholdSettings.model_fields,
        *ConsistencySettings.model_fields,
        "algorithm",
        "recipe",
    }
    assert given.model_dump(exclude=options) == settings(name).model_dump(exclude=options)
