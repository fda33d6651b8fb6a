"""Images whose random view depends on their position alone: for evaluating on unlabelled images.

Some of USB's algorithms (SAW, Adsh, CReST) evaluate the network on the unlabelled set through its weak
view. With one seed an image, what they see depends neither on the number of workers nor on
`eval_batch_size`, and costs a run nothing of its global random states.
"""

from typing import Any

from torch.utils.data import Dataset

from usb_ext.data.seeding import check_seed, seeded


class SeededImages(Dataset[Any]):
    """A map-style data set, each image seeded by (seed, stream, position).

    Args:
        dataset: anything with `__len__` and `__getitem__`.
        seed: >= 0.
        stream: >= 0, a number of its own for each loader of a run.
    """

    def __init__(self, dataset: Any, seed: int, stream: int) -> None:
        check_seed(seed)
        self.dataset, self.seed, self.stream = dataset, seed, stream

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: int) -> Any:
        """One sample; the global random states are as before."""
        with seeded(self.seed, self.stream, position):
            return self.dataset[position]
