"""The whole model: composed of its groups, closed, consistent, with the values in force."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings, load_settings
from usb_ext.settings.model import DEAD, GROUPS, allowed_values, schema_of

USB_KEYS = """
algorithm save_dir save_name resume load_path overwrite use_tensorboard use_wandb epoch
num_train_iter num_log_iter num_eval_iter num_warmup_iter num_labels batch_size eval_batch_size
uratio ulb_loss_ratio ema_m img_size crop_ratio optim lr momentum weight_decay layer_decay amp
clip use_cat net net_from_name data_dir dataset train_sampler num_classes num_workers seed
world_size rank multiprocessing_distributed dist_url dist_backend gpu use_pretrain pretrain_path
include_lb_to_ulb lb_imb_ratio ulb_imb_ratio ulb_num_labels imb_algorithm max_length
max_length_seconds sample_rate hard_label T p_cutoff ema_p ent_loss_ratio use_quantile clip_thresh
thresh_warmup unsup_warm_up mixup_alpha mixup_manifold rot_loss_ratio kl_loss_ratio dist_align
dist_uniform dist_align_target per_class n_sigma proj_size smoothing_alpha da_len K
contrast_p_cutoff contrast_loss_ratio queue_batch in_loss_ratio gamma C rho_min num_wu_iter
tsa_schedule vat_embed use_epass use_refix no_low smoothness num_heads apm_percentile
apm_disagreement_weight threshold_algo simis_la crest_num_gens crest_dist_align_t
crest_pro_dist_align crest_alpha cossl_max_lam cossl_tfe_augment cossl_tfe_u_ratio
cossl_warm_epoch cossl_tfe_warm_epoch cossl_tfe_warm_lr cossl_tfe_warm_ema_decay cossl_tfe_warm_wd
cossl_tfe_warm_bs darp_warmup_epochs darp_alpha darp_iter_T darp_num_refine_iter abc_p_cutoff
abc_loss_ratio daso_queue_len daso_T_proto daso_T_dist daso_interp_alpha daso_with_dist_aware
daso_assign_loss_ratio daso_num_pl_dist_iter daso_num_pretrain_iter
""".split()
OUR_KEYS = """
base extensions grad_relu avg_clustering ac_loss_ratio ac_reset_iter ac_momentum ac_lr
ulb_loss_mean step label_split label_file label_seed skip_bad_images cache_budget_mb progress
device num_threads num_save_iter use_aim clip_grad
""".split()


@pytest.mark.parametrize("name", USB_KEYS + OUR_KEYS)
def test_every_known_key_is_a_setting(name: str) -> None:
    assert name in Settings.model_fields


def test_the_groups_make_up_the_model_without_overlap() -> None:
    names = [name for group in GROUPS for name in group.model_fields]
    assert len(names) == len(set(names))
    assert set(names) == set(Settings.model_fields)


def test_every_group_has_a_heading_and_every_setting_a_description() -> None:
    assert len({group.heading for group in GROUPS} - {""}) == len(GROUPS)
    for name, field in Settings.model_fields.items():
        assert field.description and field.description.rstrip().endswith("."), name


def test_every_setting_has_a_default_and_the_defaults_agree_with_each_other() -> None:
    assert not [n for n, field in Settings.model_fields.items() if field.is_required()]
    assert Settings() == Settings()


def test_unknown_names_are_rejected() -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"learning_rate": 0.1})


def test_a_contradiction_is_an_error_as_soon_as_the_model_is_made() -> None:
    with pytest.raises(SettingsError, match="num_train_iter"):
        Settings(num_train_iter=10, epoch=3)


def test_the_run_name_is_made_from_what_sets_runs_apart() -> None:
    settings = Settings(algorithm="fixmatch", dataset="stl10", num_labels=40, seed=2)
    assert settings.run_name == "fixmatch_stl10_40_s2"
    assert settings.run_dir == Path("saved_models") / "fixmatch_stl10_40_s2"


def test_a_given_name_and_folder_stay_as_given() -> None:
    settings = Settings(save_dir="runs/a", save_name="mine")
    assert settings.run_name == "mine"
    assert settings.run_dir == Path("runs/a/mine")
    assert not settings.run_dir.is_absolute()


def test_none_takes_the_value_of_the_other_setting() -> None:
    settings = Settings(seed=7, num_eval_iter=300)
    assert settings.split_seed == 7
    assert settings.save_interval == 300


def test_a_given_value_wins_over_the_other_setting() -> None:
    settings = Settings(seed=7, label_seed=0, num_eval_iter=300, num_save_iter=10)
    assert settings.split_seed == 0
    assert settings.save_interval == 10


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ({"algorithm": "layermatch"}, "freematch"),
        ({"algorithm": "layermatch", "base": "dash"}, "dash"),
        ({"algorithm": "weak_strong"}, "fixmatch"),
        ({"algorithm": "softmatch"}, "softmatch"),
        ({"algorithm": "comatch"}, None),
    ],
)
def test_the_base_in_force(given: dict[str, object], base: str | None) -> None:
    assert Settings.model_validate(given).active_base == base


@pytest.mark.parametrize(
    ("given", "active"),
    [
        ({"algorithm": "layermatch"}, ("grad_relu", "avg_clustering")),
        ({"algorithm": "layermatch", "grad_relu": True}, ("grad_relu", "avg_clustering")),
        ({"algorithm": "layermatch", "grad_relu": False}, ("avg_clustering",)),
        ({"algorithm": "layermatch", "avg_clustering": False, "grad_relu": False}, ()),
        ({"algorithm": "fixmatch"}, ()),
        ({"algorithm": "fixmatch", "extensions": ["grad_relu"]}, ("grad_relu",)),
        ({"algorithm": "fixmatch", "extensions": ["grad_relu"], "grad_relu": False}, ()),
    ],
)
def test_the_extensions_in_force(given: dict[str, object], active: tuple[str, ...]) -> None:
    assert Settings.model_validate(given).active_extensions == active


def test_what_a_setting_accepts_is_said_for_every_setting() -> None:
    for name in Settings.model_fields:
        assert allowed_values(name)
    assert schema_of("num_labels")["minimum"] == 1


def test_dead_keys_are_a_group_of_their_own() -> None:
    assert "clip" in DEAD
    assert "clip_grad" not in DEAD


def test_the_package_needs_neither_torch_nor_semilearn() -> None:
    code = (
        "import sys; import usb_ext.settings; "
        "heavy = {m.partition('.')[0] for m in sys.modules} & {'torch', 'semilearn', 'numpy'}; "
        "print(sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_a_changed_setting_is_a_new_model() -> None:
    settings = Settings(lr=0.1)
    changed = load_settings(settings.model_dump(), {"lr": 0.2}).settings
    assert (settings.lr, changed.lr) == (0.1, 0.2)


@pytest.mark.parametrize("name", ["gpu", "ulb_num_labels", "imb_algorithm", "load_path", "T"])
def test_usb_texts_for_none(name: str) -> None:
    assert getattr(Settings.model_validate({name: "None"}), name) is None
