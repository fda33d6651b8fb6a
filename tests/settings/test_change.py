"""What gives way in a file where the command line names another method, and what stays."""

from pathlib import Path
from typing import Any

import pytest
from support.settings_files import settings

from usb_ext.settings import load_settings, resolved_yaml
from usb_ext.settings.change import LENGTH, TEACHERS, settle
from usb_ext.settings.digest import config_sha256
from usb_ext.settings.model import Settings

VIT: dict[str, Any] = {
    "algorithm": "layermatch", "dataset": "cifar10", "net": "vit_tiny_patch2_32", "epoch": 200,
    "num_train_iter": 204800, "lr": 0.0005, "ema_m": 0.0, "ema_p": 0.5, "ulb_loss_ratio": 3.0, "T": 0.9,
    "ac_reset_iter": 7,
}  # fmt: skip


def test_mean_teacher_on_layermatchs_file_has_a_teacher_and_usbs_weight() -> None:
    """Typed from config/usb_cv/meanteacher and config/usb_cv/mixmatch of USB."""
    teacher = settings("layermatch_cifar10_10", algorithm="meanteacher")
    assert (teacher.ema_m, teacher.ulb_loss_ratio, teacher.unsup_warm_up) == (0.999, 50, 0.4)
    mix = settings("layermatch_cifar10_10", algorithm="mixmatch")
    assert (mix.ema_m, mix.ulb_loss_ratio, mix.mixup_alpha, mix.T) == (0.0, 10, 0.5, 0.5)
    ours = settings("layermatch_cifar10_10")
    for name in (
        "lr",
        "num_train_iter",
        "net",
        "batch_size",
        "uratio",
        "weight_decay",
        "layer_decay",
    ):
        assert getattr(teacher, name) == getattr(mix, name) == getattr(ours, name)


def test_the_recipe_says_which_value_came_from_where() -> None:
    given = {"algorithm": "meanteacher", "unsup_warm_up": 0.2, "num_labels": 40}
    said = settings("layermatch_scratch_cifar10_40", **given).recipe
    assert said is not None
    first, *parts = said.split("; ")
    assert first == "meanteacher in place of layermatch"
    assert parts[0] == "USB classic_cv/meanteacher: ema_m 0.999, ulb_loss_ratio 50"
    assert parts[1] == "command line: unsup_warm_up 0.2"
    assert parts[2].startswith("left out of the file: ac_loss_ratio, ac_lr") and "ema_p" in parts[2]
    assert parts[3:] == ["the comparison's: uratio 7 (published 1)"]


def test_flags_win_over_the_recipe_and_it_over_the_file() -> None:
    loaded = load_settings(VIT, {"algorithm": "meanteacher", "ulb_loss_ratio": 7.0})
    assert (loaded.settings.ulb_loss_ratio, loaded.settings.ema_m) == (7.0, 0.999)
    assert loaded.settings.T is None  # of the file's own method


@pytest.mark.parametrize(
    ("file", "flags"),
    [
        (VIT, {}), (VIT, {"algorithm": "layermatch"}), (VIT, {"base": "freematch"}), (VIT, {"lr": 0.1}),
        ({k: v for k, v in VIT.items() if k != "algorithm"}, {"algorithm": "uda"}),
        (VIT, {"algorithm": None}), (VIT, {"algorithm": 3}), (VIT, {"algorithm": ""}),
    ],
)  # fmt: skip
def test_nothing_gives_way_where_the_method_is_the_files(
    file: dict[str, Any], flags: dict[str, Any]
) -> None:
    assert settle(file, flags) == file


def test_what_was_made_for_the_length_stays_in_a_run_of_another_length() -> None:
    """Momenta of averages over the last 1,000 steps would begin with the untrained network in a short run."""
    short = {**VIT, "epoch": 1, "num_train_iter": 1500, "ema_m": 0.9}
    for algorithm, ema_p in (("freematch", 0.5), ("fixmatch", None)):
        made = load_settings(short, {"algorithm": algorithm}).settings
        assert (made.ema_m, made.ema_p) == (0.9, ema_p)
        long = load_settings(VIT, {"algorithm": algorithm}).settings
        assert (long.ema_m, long.ema_p) == (0.0, None if ema_p is None else 0.999)
    said = load_settings(short, {"algorithm": "freematch"}).settings.recipe or ""
    assert "the comparison's: ema_m 0.9 (published 0.0), ema_p 0.5 (published 0.999)" in said
    assert set(Settings.model_fields) >= LENGTH


def test_a_teacher_is_never_the_student_without_a_word() -> None:
    short = {**VIT, "epoch": 1, "num_train_iter": 1500}
    for name in TEACHERS:
        assert load_settings(short, {"algorithm": name}).settings.ema_m == 0.999
        given = load_settings({"algorithm": name, "ema_m": 0.0})
        assert any("is the trained network itself" in text for text in given.warnings)
        assert load_settings({"algorithm": name}).warnings == ()


def test_options_of_a_part_stay_where_the_other_method_has_it() -> None:
    bare = load_settings(VIT, {"algorithm": "fixmatch"}).settings
    assert bare.ac_reset_iter == Settings.model_fields["ac_reset_iter"].default
    flags = {"algorithm": "fixmatch", "extensions": ["avg_clustering"]}
    assert load_settings(VIT, flags).settings.ac_reset_iter == 7


def test_base_and_parts_of_a_file_are_its_methods_own() -> None:
    file = {
        "algorithm": "weak_strong",
        "base": "uda",
        "extensions": ["grad_relu"],
        "T": 0.9,
        "seed": 3,
    }
    made = load_settings(file, {"algorithm": "flexmatch"}).settings
    assert (made.active_base, made.active_extensions, made.T, made.seed) == (
        "flexmatch",
        (),
        0.5,
        3,
    )
    switched = {**VIT, "grad_relu": False, "ulb_loss_mean": "selected"}
    plain = load_settings(switched, {"algorithm": "vat"}).settings
    assert (plain.grad_relu, plain.ulb_loss_mean) == (None, "batch")


def test_another_base_brings_its_options_and_leaves_the_parts() -> None:
    """FixMatch-EMAN: threshold 0.7 and weight 10, whatever the file says for its own base."""
    file = {
        "algorithm": "as3l", "prior_file": "p.npz", "as3l_strategy": "coreset", "ulb_loss_ratio": 1.0,
        "p_cutoff": 0.95, "prior_until": 5,
    }  # fmt: skip
    made = load_settings(file, {"base": "fixmatch_eman"}).settings
    assert (made.p_cutoff, made.ulb_loss_ratio) == (0.7, 10.0)
    assert (made.as3l_strategy, made.prior_until, made.prior_file) == ("coreset", 5, "p.npz")


def test_an_imbalanced_algorithm_has_its_own_options_and_leaves_the_others() -> None:
    file = {"algorithm": "fixmatch", "dataset": "cifar10", "T": 0.9, "abc_p_cutoff": 0.5}
    file |= {"imb_algorithm": "abc", "num_train_iter": 262144, "epoch": 256}
    made = load_settings(file, {"imb_algorithm": "daso"}).settings
    assert (made.daso_T_dist, made.daso_num_pretrain_iter, made.T) == (1.5, 5120, 0.9)
    assert made.abc_p_cutoff is None
    kept = load_settings(file, {"algorithm": "remixmatch"}).settings
    assert (kept.imb_algorithm, kept.abc_p_cutoff, kept.T) == ("abc", 0.5, 0.5)


def test_arms_of_as3l_share_its_base_and_others_start_from_nothing() -> None:
    """AS3L, Sec. 5.2: one threshold and weight for both arms; Tables 1 and 2: FlexMatch from scratch."""
    file: dict[str, Any] = {
        "algorithm": "as3l", "label_split": "file", "label_file": "auto", "prior_file": "auto",
        "use_pretrain": True, "pretrain_path": "auto", "p_cutoff": 0.7, "ulb_loss_ratio": 10.0,
        "as3l_strategy": "as3l",
    }  # fmt: skip
    self = load_settings(file, {"algorithm": "selfmatch"}).settings
    assert (self.as3l_strategy, self.use_pretrain, self.pretrain_path) == ("random", True, "auto")
    assert (self.p_cutoff, self.ulb_loss_ratio, self.active_extensions) == (0.7, 10.0, ())
    assert (self.prior_file, self.label_file) == (None, "auto")
    again = {n: v for n, v in self.model_dump().items() if v is not None}
    back = load_settings(again, {"algorithm": "as3l", "prior_file": "auto"}).settings
    assert (back.as3l_strategy, back.p_cutoff) == ("as3l", 0.7)
    flex = load_settings(file, {"algorithm": "flexmatch"}).settings
    assert (flex.as3l_strategy, flex.use_pretrain, flex.pretrain_path) == ("random", False, None)
    assert (flex.p_cutoff, flex.ulb_loss_ratio) == (0.95, 1.0)
    warm = load_settings(file, {"algorithm": "flexmatch", "use_pretrain": True}).settings
    assert (warm.use_pretrain, warm.as3l_strategy) == (True, "random")
    weights = load_settings(file, {"algorithm": "flexmatch", "pretrain_path": "w.pth"}).settings
    assert (weights.use_pretrain, weights.pretrain_path) == (True, "w.pth")


def test_a_run_made_again_from_its_settings_is_the_same(tmp_path: Path) -> None:
    made = load_settings(VIT, {"algorithm": "meanteacher"}).settings
    path = tmp_path / "config.yaml"
    path.write_text(resolved_yaml(made))
    again = load_settings(path, {"resume": True}).settings
    assert again.recipe == made.recipe and config_sha256(again) == config_sha256(made)
    bare = {n: v for n, v in made.model_dump().items() if n != "recipe"}
    assert config_sha256(load_settings(bare).settings) == config_sha256(made)


def test_a_recipe_is_no_part_of_a_runs_name() -> None:
    assert load_settings(VIT, {"algorithm": "meanteacher"}).settings.run_name.startswith(
        "meanteacher_cifar10"
    )
    flags = {"algorithm": "meanteacher", "ulb_loss_ratio": 7.0}
    assert load_settings(VIT, flags).settings.run_name.startswith(
        "meanteacher_ulb_loss_ratio7_cifar10"
    )


@pytest.mark.parametrize("value", [None, "", 3, [], ["x"], {"a": 1}, True, float("nan"), "é" * 300])
def test_values_of_any_kind_are_left_to_the_types(value: Any) -> None:
    for name in (
        "algorithm",
        "base",
        "imb_algorithm",
        "dataset",
        "net",
        "extensions",
        "num_train_iter",
        "ema_m",
    ):
        settle({**VIT, name: value}, {"algorithm": "meanteacher"})
        settle(VIT, {"algorithm": "meanteacher", name: value})
