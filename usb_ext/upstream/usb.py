"""USB's names that usb_ext builds on; everything else of usb_ext takes them from here."""

from usb_ext.upstream._loaded import semilearn

# isort: split
from semilearn.algorithms.adamatch.utils import AdaMatchThresholdingHook
from semilearn.algorithms.dash.utils import DashThresholdingHook
from semilearn.algorithms.flexmatch.utils import FlexMatchThresholdingHook
from semilearn.algorithms.freematch.utils import FreeMatchThresholdingHook
from semilearn.algorithms.hooks import (
    DistAlignEMAHook,
    FixedThresholdingHook,
    PseudoLabelingHook,
)
from semilearn.algorithms.softmatch.utils import SoftMatchWeightingHook
from semilearn.algorithms.utils import SSL_Argument, concat_all_gather, str2bool
from semilearn.core import AlgorithmBase, ImbAlgorithmBase
from semilearn.core.hooks import AimHook, Hook, WANDBHook
from semilearn.core.utils import ALGORITHMS, EMA, IMB_ALGORITHMS, get_optimizer
from semilearn.datasets import get_collactor
from semilearn.datasets.augmentation import RandAugment
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset
from semilearn.datasets.utils import make_imbalance_data

__all__ = [
    "ALGORITHMS",
    "EMA",
    "IMB_ALGORITHMS",
    "AdaMatchThresholdingHook",
    "AimHook",
    "AlgorithmBase",
    "BasicDataset",
    "DashThresholdingHook",
    "DistAlignEMAHook",
    "FixedThresholdingHook",
    "FlexMatchThresholdingHook",
    "FreeMatchThresholdingHook",
    "Hook",
    "ImbAlgorithmBase",
    "PseudoLabelingHook",
    "RandAugment",
    "SSL_Argument",
    "SoftMatchWeightingHook",
    "WANDBHook",
    "concat_all_gather",
    "get_collactor",
    "get_optimizer",
    "make_imbalance_data",
    "semilearn",
    "str2bool",
]
