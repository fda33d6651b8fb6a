"""The types of the names in `usb.py`, which USB itself does not declare.

`tests/upstream/test_running.py` holds names and parameters against the real ones.
"""

from abc import ABCMeta
from collections.abc import Callable, KeysView
from types import ModuleType
from typing import Any

import torch
from torch import nn

from usb_ext.upstream.running import (
    Arguments,
    Batch,
    Datasets,
    LoaderDict,
    Logger,
    Running,
    ScalarLog,
    Scores,
    StepLog,
    StepOutput,
)

semilearn: ModuleType

class Hook:
    """A hook says itself which of the protocols it needs of an algorithm: `Running` and what is above it."""

    name: str
    def before_run(self, algorithm: Any) -> None: ...
    def before_train_epoch(self, algorithm: Any) -> None: ...
    def before_train_step(self, algorithm: Any) -> None: ...
    def after_train_step(self, algorithm: Any) -> None: ...
    def after_train_epoch(self, algorithm: Any) -> None: ...
    def after_run(self, algorithm: Any) -> None: ...
    def every_n_iters(self, algorithm: Running, n: int) -> bool: ...
    def is_last_iter(self, algorithm: Running) -> bool: ...

class AlgorithmBase(Running, metaclass=ABCMeta):
    start_epoch: int
    def __init__(
        self,
        args: Arguments,
        net_builder: Callable[..., nn.Module],
        tb_log: ScalarLog | None = None,
        logger: Logger | None = None,
        **kwargs: object,
    ) -> None: ...
    def set_dataset(self) -> Datasets: ...
    def set_data_loader(self) -> LoaderDict: ...
    def set_model(self) -> nn.Module: ...
    def set_ema_model(self) -> nn.Module: ...
    def set_optimizer(
        self,
    ) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler | None]: ...
    def set_hooks(self) -> None: ...
    def process_batch(self, input_args: Any = None, **kwargs: Any) -> Batch: ...
    def process_out_dict(self, out_dict: Any = None, **kwargs: Any) -> StepOutput: ...
    def process_log_dict(
        self, log_dict: Any = None, prefix: Any = "train", **kwargs: Any
    ) -> StepLog: ...
    def train_step(self, *args: Any, **kwargs: Any) -> tuple[StepOutput, StepLog]: ...
    def train(self) -> None: ...
    @staticmethod
    def get_argument() -> Any: ...
    def call_hook(self, fn_name: str, hook_name: str | None = None, /, **named: Any) -> Any: ...
    def registered_hook(self, hook_name: str) -> bool: ...
    def register_hook(
        self, hook: Hook, name: str | None = None, priority: str = "NORMAL"
    ) -> None: ...
    def compute_prob(self, logits: torch.Tensor) -> torch.Tensor: ...
    def evaluate(
        self, eval_dest: str = "eval", out_key: str = "logits", return_logits: bool = False
    ) -> Scores: ...

class ImbAlgorithmBase(AlgorithmBase, metaclass=ABCMeta): ...

class Register:
    def __setitem__(self, key: str, value: type[AlgorithmBase]) -> None: ...
    def __getitem__(self, key: str) -> type[AlgorithmBase]: ...
    def __contains__(self, key: str) -> bool: ...
    def keys(self) -> KeysView[str]: ...

ALGORITHMS: Register
IMB_ALGORITHMS: Register

class PseudoLabelingHook(Hook): ...
class FixedThresholdingHook(Hook): ...
class AdaMatchThresholdingHook(Hook): ...
class AimHook(Hook): ...
class WANDBHook(Hook): ...

class DashThresholdingHook(Hook):
    rho: float
    def __init__(self, rho_min: float, gamma: float, C: float) -> None: ...

class DistAlignEMAHook(Hook):
    def __init__(
        self, num_classes: int, momentum: float = 0.999, p_target_type: str = "uniform"
    ) -> None: ...

class FlexMatchThresholdingHook(Hook):
    ulb_dest_len: int
    thresh_warmup: bool
    selected_label: torch.Tensor
    classwise_acc: torch.Tensor
    def __init__(self, ulb_dest_len: int, num_classes: int, thresh_warmup: bool = True) -> None: ...

class FreeMatchThresholdingHook(Hook):
    num_classes: int
    m: float
    p_model: torch.Tensor
    label_hist: torch.Tensor
    time_p: torch.Tensor
    def __init__(self, num_classes: int, momentum: float = 0.999) -> None: ...

class SoftMatchWeightingHook(Hook):
    m: float
    per_class: bool
    prob_max_mu_t: torch.Tensor
    prob_max_var_t: torch.Tensor
    def __init__(
        self, num_classes: int, n_sigma: int = 2, momentum: float = 0.999, per_class: bool = False
    ) -> None: ...
    def update(
        self, algorithm: Any, probs_x_ulb: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]: ...

class SSL_Argument:
    name: str
    type: Callable[[str], object]
    default: object
    def __init__(
        self, name: str, type: Callable[[str], object], default: object, help: str = ""
    ) -> None: ...

class EMA:
    def __init__(self, model: nn.Module, decay: float) -> None: ...

class BasicDataset:
    alg: str
    data: Any
    targets: Any
    is_ulb: bool
    transform: Any
    strong_transform: Any
    def __init__(
        self,
        alg: str,
        data: Any,
        targets: Any = None,
        num_classes: int | None = None,
        transform: Any = None,
        is_ulb: bool = False,
        strong_transform: Any = None,
        onehot: bool = False,
    ) -> None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, idx: int, /) -> Batch: ...

class RandAugment:
    n: int
    m: int
    def __init__(self, n: int, m: int, exclude_color_aug: bool = False) -> None: ...
    def __call__(self, img: Any) -> Any: ...

def make_imbalance_data(max_num_labels: int, num_classes: int, gamma: float) -> list[int]: ...
def concat_all_gather(tensor: torch.Tensor) -> torch.Tensor: ...
def str2bool(v: str | bool) -> bool: ...
def get_collactor(args: Arguments, net: str) -> Any: ...
def get_optimizer(
    net: nn.Module,
    optim_name: str = "SGD",
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 0,
    layer_decay: float = 1.0,
    nesterov: bool = True,
    bn_wd_skip: bool = True,
) -> torch.optim.Optimizer: ...
