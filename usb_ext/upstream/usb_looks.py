"""What can be said of USB's image sets without their files: how evaluation prepares an image, class names."""

import math
from typing import Any

from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)

# isort: split
from semilearn.datasets.cv_datasets import cifar, eurosat, imagenet, stl10, svhn

CLASSES: dict[str, tuple[str, ...]] = {
    "cifar10": tuple("airplane automobile bird cat deer dog frog horse ship truck".split()),
    "stl10": tuple("airplane bird car cat deer dog horse monkey ship truck".split()),
    "eurosat": tuple(
        "AnnualCrop Forest HerbaceousVegetation Highway Industrial Pasture PermanentCrop Residential "
        "River SeaLake".split()
    ),
    "cifar100": tuple(
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly "
        "camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile "
        "cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp "
        "lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree "
        "orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum "
        "rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider "
        "squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train "
        "trout tulip turtle wardrobe whale willow_tree wolf woman worm".split()
    ),
}
"""Names in the order of the class numbers; the other sets' classes are known by number alone."""


def class_names(dataset: str, num_classes: int, served: Any = None) -> tuple[str, ...]:
    """The names of the classes of one of USB's sets, in the order of their numbers.

    Args:
        dataset: its name.
        num_classes: K.
        served: one of its data sets, if it is there; ImageNet's knows the names of its folders.

    Returns:
        K names; the numbers from 0 to K - 1 as text where nobody tells.
    """
    for names in (getattr(served, "classes", None), CLASSES.get(dataset)):
        if names is not None and len(names) == num_classes:
            return tuple(map(str, names))
    return tuple(map(str, range(num_classes)))


def evaluation_look(
    dataset: str, img_size: int, crop_ratio: float
) -> tuple[tuple[float, ...], tuple[float, ...], int | None] | None:
    """How USB prepares an image of a set for evaluation.

    Args:
        dataset: its name.
        img_size: S, as in the settings.
        crop_ratio: as in the settings.

    Returns:
        Mean and deviation of the channels, and the pixels of the shorter side before the centre of S x S
        is cut out (None: the whole image is resized to S); None for a set that USB tells nothing of.
    """
    if dataset in ("imagenet", "imagenet127"):
        looks, resize = (imagenet.mean["imagenet"], imagenet.std["imagenet"]), True
    elif dataset == "eurosat":
        looks, resize = (eurosat.dataset_mean, eurosat.dataset_std), False
    else:
        module = {"cifar10": cifar, "cifar100": cifar, "stl10": stl10, "svhn": svhn}.get(dataset)
        if module is None:
            return None
        looks, resize = (module.mean[dataset], module.std[dataset]), False
    mean, std = (tuple(map(float, values)) for values in looks)
    return mean, std, math.floor(img_size / crop_ratio) if resize else None
