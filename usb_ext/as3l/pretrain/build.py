"""From settings to a method in training: network, heads, batches, and what looks at the features."""

from typing import Any

import numpy as np
import torch

from usb_ext.as3l.pretrain.batches import TwoViews
from usb_ext.as3l.pretrain.loop import Pretraining
from usb_ext.as3l.pretrain.made import initial_weights, made_with
from usb_ext.as3l.pretrain.method import SelfSupervised, views_may_join
from usb_ext.as3l.pretrain.watch import Watch
from usb_ext.augment.self_supervised import ViewRecipe
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import RunFolder
from usb_ext.core.processes import world
from usb_ext.core.runtime import seed_everything
from usb_ext.data.image_store import MEBIBYTE, ImageStore
from usb_ext.data.training_set import TrainingSet
from usb_ext.engine.acceleration import likes_channels_last
from usb_ext.engine.network import builder
from usb_ext.engine.parts import Stop
from usb_ext.engine.statistics import sample_positions
from usb_ext.engine.sync_norm import synchronise
from usb_ext.settings import Settings
from usb_ext.settings.as3l import AUTO


def build(
    settings: Settings, data: TrainingSet, folder: RunFolder, device: torch.device, stop: Stop
) -> tuple[Pretraining, Watch]:
    """Everything on its device, from the seed.

    Args:
        settings: checked settings.
        data: the images.
        folder: where checkpoints and metrics will go; nothing is written yet.
        device: where it computes.
        stop: the wish to stop.

    Raises:
        SettingsError: a batch or number of labels larger than the set, lightly missing, or an unknown
            network.
        DataMissing: weights that are not there or do not fit.
    """
    s, count = settings, len(data.targets)
    if s.ssl_batch_size > count and s.ssl_epochs:
        raise SettingsError(
            f"ssl_batch_size is {s.ssl_batch_size}, but there are {count} training images; use at most "
            f"{count}"
        )
    if s.label_file == AUTO and s.num_labels > count:
        raise SettingsError(
            f"num_labels is {s.num_labels}, but there are {count} training images to choose from; use at "
            f"most {count}"
        )
    budget = s.image_budget_mb * MEBIBYTE
    stores = [ImageStore(i, s.img_size, device, budget) for i in (data.images, data.test_images)]
    method = _method(s, device)
    flip = data.hflip if s.ssl_hflip is None else s.ssl_hflip
    recipe = ViewRecipe(s.ssl_crop_min, flip, s.ssl_jitter_p, s.ssl_jitter, s.ssl_hue, s.ssl_grey_p)
    look = (data.mean, data.std)
    views = TwoViews(stores[0], count, min(s.ssl_batch_size, count), recipe, *look, s.ssl_seed)
    known = [torch.from_numpy(np.asarray(t)) for t in (data.targets, data.test_targets)]
    train, test = zip(stores, known, strict=True)
    fresh = s.bn_statistics == "fresh"
    sample = sample_positions(count, s.bn_images) if fresh else None
    watch = Watch(*train, *test, *look, s.num_classes, s.ssl_knn, s.ssl_knn_temperature, sample)
    values: dict[str, Any] = {**made_with(s), "ssl_save_epochs": s.ssl_save_epochs}
    return Pretraining(method, views, watch.scores, values, folder, stop, s.amp), watch


def _method(s: Settings, device: torch.device) -> SelfSupervised:
    """Backbone and heads, from the seed and, where there are some, the user's own weights."""
    seed_everything(s.ssl_seed)
    initial = initial_weights(s)
    net = builder(s)(num_classes=s.num_classes, pretrained=bool(initial), pretrained_path=initial)
    method = SelfSupervised(net, s, s.img_size)
    if world().size > 1:
        synchronise(method)
    layout = s.channels_last and likes_channels_last(net)
    memory = torch.channels_last if layout else torch.preserve_format
    method.to(device, memory_format=memory)  # type: ignore[call-overload]
    method.joint = views_may_join(method.train().backbone, s.img_size)
    return method
