"""Files in the shape of USB's own load with the values that ruamel reads; `clip` brings a warning.

The texts are written for this test; keys and values follow the kinds of files that USB ships.
"""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from usb_ext.settings import load_settings

ENDING = """
seed: 0
world_size: 1
rank: 0
multiprocessing_distributed: True
dist_url: tcp://127.0.0.1:10068
dist_backend: nccl
gpu: None
"""

FIXMATCH = """
algorithm: fixmatch
save_dir: ./saved_models/classic_cv
save_name: fixmatch_cifar10_40_0
resume: True
load_path: ./saved_models/classic_cv/fixmatch_cifar10_40_0/latest_model.pth
overwrite: True
use_tensorboard: True
epoch: 1024
num_train_iter: 1048576
num_eval_iter: 5120
num_labels: 40
batch_size: 64
eval_batch_size: 256
hard_label: True
T: 0.5
p_cutoff: 0.95
ulb_loss_ratio: 1.0
uratio: 7
ema_m: 0.999
crop_ratio: 0.875
img_size: 32
optim: SGD
lr: 0.03
momentum: 0.9
weight_decay: 0.0005
layer_decay: 1.0
amp: False
clip: 0.0
use_cat: True
net: wrn_28_2
net_from_name: False
data_dir: ./data
dataset: cifar10
train_sampler: RandomSampler
num_classes: 10
num_workers: 1
"""

FREEMATCH = """
algorithm: freematch
save_dir: ./saved_models/usb_cv/
save_name: freematch_stl10_40_0
resume: True
load_path: ./saved_models/usb_cv//freematch_stl10_40_0/latest_model.pth
overwrite: True
use_tensorboard: True
epoch: 200
num_train_iter: 204800
num_log_iter: 512
num_eval_iter: 2048
num_warmup_iter: 5120
num_labels: 40
batch_size: 8
eval_batch_size: 16
uratio: 1
ema_m: 0.0
hard_label: True
T: 0.5
ema_p: 0.999
ent_loss_ratio: 0.001
use_quantile: False
clip_thresh: True
img_size: 96
crop_ratio: 0.875
optim: AdamW
lr: 0.0001
layer_decay: 0.95
clip: 0.0
net: vit_base_patch16_96
dataset: stl10
num_classes: 10
use_pretrain: True
pretrain_path: https://example.org/releases/download/v.0.0.0/vit.pth
"""

VAT = """
algorithm: vat
save_name: vat_aclImdb_20_0
resume: True
epoch: 100
num_train_iter: 102400
num_warmup_iter: 5120
num_labels: 20
batch_size: 8
vat_embed: True
ent_loss_ratio: 0.06
unsup_warm_up: 0.4
uratio: 1
use_cat: False
ema_m: 0.0
optim: AdamW
lr: 5e-05
layer_decay: 0.75
amp: False
clip: 0.0
net: bert_base_uncased
dataset: aclImdb
num_classes: 2
max_length: 512
"""

SOFTMATCH = """
algorithm: softmatch
save_name: softmatch_esc50_250_0
epoch: 100
num_train_iter: 102400
num_labels: 250
ema_m: 0.0
dist_align: True
dist_uniform: True
per_class: False
ema_p: 0.999
n_sigma: 2
use_cat: False
optim: AdamW
lr: 0.0001
weight_decay: 2e-05
layer_decay: 0.85
clip: 0.0
net: hubert_base
dataset: esc50
num_classes: 50
max_length_seconds: 5.0
sample_rate: 16000
use_wandb: True
"""

IMBALANCED = """
algorithm: fixmatch
epoch: 256
num_train_iter: 262144
num_labels: 500
clip: 0.0
dataset: cifar10
num_classes: 10
include_lb_to_ulb: False
lb_imb_ratio: 100
ulb_imb_ratio: -100
ulb_num_labels: 4000
imb_algorithm: daso
daso_T_proto: 0.05
daso_with_dist_aware: True
daso_num_pretrain_iter: 5120
"""

OWN_SPLIT = """
algorithm: uda
num_labels: 3959
num_classes: 200
dataset: semi_aves
tsa_schedule: none
clip: 0.0
ulb_imb_ratio: 1.0
ulb_num_labels: None
imb_algorithm: None
"""

IMAGENET127 = """
algorithm: fixmatch
epoch: 200
num_train_iter: 500000
num_labels: 12810
num_classes: 127
dataset: imagenet127
clip: 0.0
lb_imb_ratio: 286
ulb_imb_ratio: 286
ulb_num_labels: None
imb_algorithm: cossl
cossl_tfe_augment: strong
"""

FILES = {
    "fixmatch": FIXMATCH,
    "freematch": FREEMATCH,
    "vat": VAT,
    "softmatch": SOFTMATCH,
    "imbalanced": IMBALANCED,
    "own_split": OWN_SPLIT,
    "imagenet127": IMAGENET127,
}
SPELLED_OTHERWISE = {("amp", False): "off"}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_usb_loads_with_its_values(name: str, tmp_path: Path) -> None:
    text = FILES[name] + ENDING
    path = tmp_path / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    raw = YAML(typ="safe", pure=True).load(text)
    loaded = load_settings(path)
    for key, value in raw.items():
        expected = None if value == "None" else SPELLED_OTHERWISE.get((key, value), value)
        if key != "overwrite":
            assert getattr(loaded.settings, key) == expected, key
    assert loaded.given == set(raw) - {"overwrite"}


@pytest.mark.parametrize("name", FILES)
def test_each_file_brings_one_warning_about_dead_keys(name: str) -> None:
    raw = YAML(typ="safe", pure=True).load(FILES[name] + ENDING)
    about_dead = [w for w in load_settings(raw).warnings if "clip" in w]
    assert len(about_dead) == 1


def test_nothing_of_a_file_deletes_a_run() -> None:
    raw = YAML(typ="safe", pure=True).load(FIXMATCH)
    assert raw["overwrite"] is True
    assert not load_settings(raw).settings.overwrite
