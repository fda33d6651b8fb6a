"""What several of the mended algorithms of USB's need: streams of batches, loaders and hooks.

A mended algorithm is a subclass of USB's that stands in its place, `class Run(Mended, Engine)`. It may
call the engine's methods (`training_loader`, `evaluation_loader`, `from_step`, `train_steps`) through
`self`, and goes round a method of USB's class with `super(USBsClass, self)`.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from usb_ext.upstream.running import Batch, LoaderDict, OnEngine, Running, TrainingLoader
from usb_ext.upstream.usb import AlgorithmBase

ROTATED, MIXED_LABELLED, MIXED_UNLABELLED, EVALUATED = 3, 4, 5, 6
"""Streams of batches beside the labelled (1) and the unlabelled one (2); none may occur twice."""


class FromStep:
    """A loader that begins at the running step whenever it is iterated over.

    USB's algorithms keep an iterator and make a new one when it is through; with this it goes on in a
    resumed run where it stood.

    Args:
        algorithm: the running algorithm.
        loader: one of its `training_loader`s.
    """

    def __init__(self, algorithm: OnEngine, loader: TrainingLoader) -> None:
        self.algorithm, self.loader = algorithm, loader

    def __iter__(self) -> Iterator[Batch]:
        return self.algorithm.from_step(self.loader)


def drop_hooks(algorithm: Running, *kinds: type) -> None:
    """Take hooks of USB's out again; where one replaced the engine's, that one is back.

    Args:
        algorithm: its hooks are already registered.
        kinds: classes of the hooks to take out.
    """
    algorithm._hooks = [hook for hook in algorithm._hooks if not isinstance(hook, kinds)]
    algorithm.hooks_dict = OrderedDict((hook.name, hook) for hook in algorithm._hooks)


if TYPE_CHECKING:

    class Mended(AlgorithmBase, OnEngine):
        """A mended algorithm: USB's, above the engine."""

else:
    Mended = AlgorithmBase


class UnlabelledEvaluation(Mended):
    """Evaluation on the unlabelled set that depends on nothing but the seed; stands above USB's class.

    USB evaluates through the weak view, which draws from the global generators, in as many worker
    processes as `num_workers` says. (Removed by: "seed the evaluation on unlabelled images".)
    """

    def set_data_loader(self) -> LoaderDict:
        """USB's loaders, with `eval_ulb` replaced."""
        loaders = super().set_data_loader()
        loaders["eval_ulb"] = self.evaluation_loader("eval_ulb", EVALUATED)
        return loaders
