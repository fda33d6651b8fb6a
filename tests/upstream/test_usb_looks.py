"""What is said of USB's image sets without their files: names in the labels' order, and what is cut."""

from types import SimpleNamespace

import pytest

from usb_ext.upstream.usb_looks import CLASSES, class_names, evaluation_look


@pytest.mark.parametrize(
    ("dataset", "count"), [("cifar10", 10), ("stl10", 10), ("eurosat", 10), ("cifar100", 100)]
)
def test_names_are_in_the_order_of_the_labels(dataset: str, count: int) -> None:
    """The sets number their classes by the alphabet."""
    names = CLASSES[dataset]
    assert len(names) == len(set(names)) == count and list(names) == sorted(names)


@pytest.mark.parametrize(
    ("dataset", "size", "ratio", "resize"),
    [
        ("cifar10", 32, 0.875, None), ("cifar100", 32, 0.875, None), ("svhn", 32, 0.875, None),
        ("stl10", 96, 0.875, None), ("eurosat", 64, 0.875, None),
        ("imagenet", 224, 0.875, 256), ("imagenet127", 32, 0.875, 36), ("imagenet", 96, 1.0, 96),
    ],
)  # fmt: skip
def test_only_imagenets_images_are_cut(
    dataset: str, size: int, ratio: float, resize: int | None
) -> None:
    """224 / 0.875 = 256, as everybody has it; 32 / 0.875 = 36.6 is rounded down, as USB does."""
    found = evaluation_look(dataset, size, ratio)
    assert found is not None
    mean, std, shorter = found
    assert shorter == resize and len(mean) == len(std) == 3
    assert all(0 < value < 1 for value in (*mean, *std))


def test_of_other_sets_nothing_is_said() -> None:
    for dataset in ("imagefolder", "tissuemnist", "aclImdb"):
        assert evaluation_look(dataset, 32, 0.875) is None


def test_class_names_fall_back_to_numbers() -> None:
    assert class_names("cifar10", 10)[3] == "cat"
    assert class_names("cifar10", 3) == ("0", "1", "2")
    served = SimpleNamespace(classes=["x", "y"])
    assert class_names("imagenet", 2, served) == ("x", "y")
    assert class_names("imagenet", 3, served) == ("0", "1", "2")
