"""AS3L's settings files against the paper: Tables 2, 4 and 5, Secs. 5.1.2 and 5.2.

The values stand here as the paper prints them, typed from its tables and not from the files.
"""

import re

import pytest
from ruamel.yaml import YAML
from support.settings_files import CONFIG, header, settings

from usb_ext.training.compose import algorithm_classes, resolved

NETS = {"WRN-28-2": "wrn_28_2", "WRN-28-8": "wrn_28_8", "WRN-37-2": "wrn_var_37_2"}
# Table 2, "Ours": labels, mean, standard deviation; the network and K of Sec. 5.1.2.
TABLE_2: dict[str, tuple[str, str, list[int], dict[int, tuple[float, float]]]] = {
    "as3l_cifar10_40": (
        "cifar10", "WRN-28-2", [10, 20, 30, 40, 50, 60], {10: (69.08, 5.32), 40: (94.35, 0.20)},
    ),
    "as3l_cifar100_400": (
        "cifar100", "WRN-28-8", [100, 200, 300, 400, 500, 600],
        {200: (46.87, 2.47), 400: (47.37, 6.66)},
    ),
    "as3l_stl10_40": (
        "stl10", "WRN-37-2", [10, 20, 30, 40, 50, 60], {20: (49.57, 9.32), 40: (57.57, 9.55)},
    ),
}  # fmt: skip
TABLE_5 = {
    "random": (58.17, 13.01, ["--algorithm selfmatch"]),
    "random + prior": (68.01, 15.96, ["--as3l_strategy random"]),
    "active": (76.65, 5.29, ["--prior_label False"]),
    "active + prior": (84.43, 5.19, []),
}
# Table 4, "Ours": top-1 and top-5 with 0.2% and 1% of ImageNet's 1,281,167 labels.
TABLE_4 = {
    ("flexmatch", 0.002): (37.3, 55.9),
    ("flexmatch", 0.01): (58.3, 79.9),
    ("fixmatch_eman", 0.002): (40.4, 60.7),
    ("fixmatch_eman", 0.01): (60.4, 81.5),
}
ALL = [*TABLE_2, "as3l_imagenet_2562", "as3l_digits_10", "as3l_imagefolder_40"]


@pytest.mark.parametrize("name", TABLE_2)
def test_table_2_and_section_5_1_2(name: str) -> None:
    dataset, net, clusters, cells = TABLE_2[name]
    given = settings(name)
    s = resolved(given, algorithm_classes(given))
    assert (s.dataset, s.net, list(s.as3l_clusters or ())) == (dataset, NETS[net], clusters)
    assert min(clusters) == s.num_classes and len(clusters) == s.as3l_runs == 6
    assert (s.active_base, s.active_extensions) == ("flexmatch", ("prior_label",))
    assert (s.optim, s.momentum, s.lr, s.ulb_loss_ratio) == ("SGD", 0.9, 0.03, 1.0)
    assert (s.uratio, s.batch_size, s.num_train_iter) == (7, 64, 1024 * 1024)
    assert (s.as3l_strategy, s.as3l_tune_epochs, s.as3l_method) == ("as3l", 40, "seed_kmeans")
    assert s.prior_until == 60 * 112
    assert (s.ssl_method, s.ssl_epochs, s.ssl_batch_size, s.ssl_lr) == ("simsiam", 800, 512, 0.06)
    text = " ".join(header(name))
    for labels, (mean, deviation) in cells.items():
        assert f"{mean:.2f} +- {deviation:.2f}" in text
        assert labels == s.num_labels or f"--num_labels {labels} " in text
        assert settings(name, num_labels=labels).run_dir.name == f"as3l_{dataset}_{labels}_s0"


def test_table_5_is_four_commands() -> None:
    name = "as3l_cifar10_40"
    lines = header(name)
    assert any("--num_labels 10 --num_train_iter 258048" in line for line in lines)
    short = settings(name, num_labels=10, num_train_iter=112 * 2304)
    assert short.num_train_iter == 258048 and short.num_train_iter % short.epoch == 0
    for label, (mean, deviation, flags) in TABLE_5.items():
        (line,) = [text for text in lines if re.match(rf"\s*{re.escape(label)}  ", text)]
        assert f"{mean} +- {deviation}" in line
        assert re.findall(r"--\S+ \S+", line) == flags
    assert settings(name, prior_label=False).active_extensions == ()


@pytest.mark.parametrize(("base", "share"), TABLE_4)
def test_table_4_and_section_5_2(base: str, share: float) -> None:
    labels = round(1_281_167 * share)
    given = settings("as3l_imagenet_2562", num_labels=labels, base=base)
    s = resolved(given, algorithm_classes(given))
    assert (s.net, s.num_classes, s.active_base) == ("resnet50", 1000, base)
    epoch = s.num_train_iter // s.epoch
    assert s.epoch == 50 and s.prior_until == 4 * epoch and s.num_warmup_iter == 5 * epoch
    assert 1_281_167 / (s.batch_size * s.uratio) == pytest.approx(epoch, abs=1)
    assert (s.p_cutoff, s.ulb_loss_ratio) == (0.7, 10.0)  # EMAN's code, for both bases
    (line,) = [
        text for text in header("as3l_imagenet_2562")
        if f"{TABLE_4[base, share][0]}, " in text.replace("top-1 ", "").replace("top-5 ", "")
    ]  # fmt: skip
    assert f"{TABLE_4[base, share][1]}" in line
    assert ("fixmatch_eman" in line) == (base == "fixmatch_eman")
    assert (share == 0.002) != ("12812" in line)
    assert settings("as3l_imagenet_2562").num_labels == round(1_281_167 * 0.002)


@pytest.mark.parametrize("name", ALL)
def test_each_file_opens_with_its_command_and_leaves_its_files_to_the_stages(name: str) -> None:
    assert header(name)[0] == f"usb-ext as3l --c config/{name}.yaml"
    s = settings(name)
    assert (s.algorithm, s.label_split, s.label_file, s.prior_file) == (
        "as3l",
        "file",
        "auto",
        "auto",
    )
    assert s.use_pretrain and (s.pretrain_path == "auto") == (s.ssl_epochs > 0)
    assert {path.stem for path in CONFIG.glob("as3l_*.yaml")} == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_files_are_flat_and_read_alike_by_either_yaml(name: str) -> None:
    text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
    by_version = []
    for version in ((1, 1), (1, 2)):
        reader = YAML(typ="safe", pure=True)
        reader.version = version
        by_version.append(reader.load(text))
    assert by_version[0] == by_version[1]
    assert not any(isinstance(value, dict) for value in by_version[0].values())
    assert len(text.splitlines()) <= 65 and max(map(len, text.splitlines())) <= 112


def test_only_the_labelled_part_of_stl10_can_be_chosen() -> None:
    known = {name: settings(name).as3l_candidates for name in ALL}
    assert {name for name, value in known.items() if value == "known"} == {"as3l_stl10_40"}
