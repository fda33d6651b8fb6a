"""Contradictions between settings: each found at once, with its value and a remedy that works."""

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings, load_settings
from usb_ext.settings.kinds import multiples_around
from usb_ext.settings.rules import check, contradictions


def clauses(given: dict[str, object]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(given)
    return str(caught.value).split("; ")


def loads(given: dict[str, object]) -> bool:
    return isinstance(load_settings(given).settings, Settings)


def test_the_defaults_contradict_nothing() -> None:
    assert contradictions(Settings()) == []
    check(Settings())


@pytest.mark.parametrize(
    ("value", "step", "expected"),
    [(10, 3, "9 or 12"), (2, 3, "3"), (7, 4, "4 or 8"), (1773, 20, "1760 or 1780")],
)
def test_the_nearest_multiples(value: int, step: int, expected: str) -> None:
    assert multiples_around(value, step) == expected


def test_epoch_must_divide_num_train_iter() -> None:
    text = "; ".join(clauses({"num_train_iter": 1000, "epoch": 3}))
    assert "stop after 999" in text
    assert "999 or 1002" in text
    assert loads({"num_train_iter": 999, "epoch": 3})
    assert loads({"num_train_iter": 1002, "epoch": 3})


def test_more_epochs_than_iterations_name_one_remedy() -> None:
    text = "; ".join(clauses({"num_train_iter": 20, "epoch": 100}))
    assert text.endswith("num_train_iter: 100")


def test_warm_up_must_end_before_the_run() -> None:
    assert loads({"num_train_iter": 20, "num_warmup_iter": 19})
    for warm_up in (20, 21):
        assert "at most 19" in clauses({"num_train_iter": 20, "num_warmup_iter": warm_up})[-1]


def test_an_evaluation_may_come_after_the_end() -> None:
    assert loads({"num_train_iter": 20, "num_eval_iter": 500})


def test_torchvision_networks_by_name_are_refused_with_what_works() -> None:
    text = "; ".join(clauses({"net_from_name": True}))
    for works in ("wrn_28_2", "wrn_10_1", "package.module:function"):
        assert works in text


def test_a_label_file_and_its_split_belong_together() -> None:
    assert "needs label_file" in clauses({"label_split": "file"})[0]
    assert "does not read it" in clauses({"label_file": "a.csv"})[0]
    assert "does not read it" in clauses({"label_file": "a.csv", "label_split": "random"})[0]
    assert loads({"label_split": "file", "label_file": "a.csv"})
    assert loads({"label_split": "random", "label_file": "None"})


def test_a_class_list_is_for_folders_of_images() -> None:
    for dataset in ("cifar10", "imagenet"):
        text = clauses({"class_list": "a.txt", "dataset": dataset, "num_labels": 40})[0]
        assert f"dataset {dataset} does not read it" in text
    assert loads({"class_list": "a.txt", "dataset": "imagefolder"})
    assert loads({"class_list": "None", "dataset": "cifar10"})


@pytest.mark.parametrize(
    ("labels", "classes", "remedy"),
    [(41, 10, "40 or 50"), (7, 10, "num_labels: 10"), (100, 8, "96 or 104")],
)
def test_labels_per_class_must_come_out_even(labels: int, classes: int, remedy: str) -> None:
    given: dict[str, object] = {"num_labels": labels, "num_classes": classes}
    assert remedy in "; ".join(clauses(given))
    assert loads({**given, "label_split": "random"})


@pytest.mark.parametrize("dataset", ["imagenet", "imagenet127", "semi_aves", "semi_aves_out"])
def test_data_sets_with_their_own_split_need_no_even_number(dataset: str) -> None:
    assert loads({"dataset": dataset, "num_labels": 3959, "num_classes": 200})


def test_the_noisy_sounds_come_with_their_labelled_part() -> None:
    assert loads(
        {"dataset": "fsdnoisy", "num_labels": 1773, "num_classes": 20, "net": "hubert_base"}
    )


def test_unbalanced_labels_count_the_largest_class() -> None:
    assert loads({"num_labels": 1501, "lb_imb_ratio": 100})
    assert loads({"num_labels": 1501, "lb_imb_ratio": -100})


def test_a_random_split_knows_no_classes() -> None:
    given: dict[str, object] = {"label_split": "random", "lb_imb_ratio": 100}
    assert "ignores classes" in clauses(given)[0]
    assert loads({**given, "lb_imb_ratio": 1})
    assert loads({**given, "label_split": "per_class"})


def test_unbalanced_unlabelled_examples_need_a_number() -> None:
    given: dict[str, object] = {"ulb_imb_ratio": -100}
    assert "ulb_num_labels is not set" in clauses(given)[0]
    assert loads({**given, "ulb_num_labels": 4000})
    assert loads({"ulb_imb_ratio": 286, "dataset": "imagenet127"})


def test_balanced_unlabelled_examples_must_come_out_even() -> None:
    assert "3000 or 3010" in "; ".join(clauses({"ulb_num_labels": 3001}))
    assert loads({"ulb_num_labels": 3000})
    assert loads({"ulb_num_labels": 3001, "ulb_imb_ratio": 10})


def test_all_contradictions_come_in_one_message() -> None:
    text = "; ".join(clauses({"epoch": 3, "net_from_name": True, "rank": 1}))
    for name in ("num_train_iter", "net_from_name", "rank"):
        assert name in text


def test_a_fully_supervised_run_loads() -> None:
    assert loads({"algorithm": "fullysupervised", "num_labels": 40})


def test_resume_and_overwrite_may_stand_together() -> None:
    """A run that can be continued is; otherwise the folder is emptied (run_folder)."""
    settings = load_settings({"resume": True}, {"overwrite": True}).settings
    assert settings.resume
    assert settings.overwrite


def test_only_image_files_are_decoded_into_a_cache() -> None:
    with pytest.raises(
        SettingsError, match="image_cache is 'kept', but dataset is digits.*leave it out"
    ):
        check(Settings(dataset="digits", image_cache="kept"))
    assert contradictions(Settings(dataset="imagefolder", image_cache="kept")) == []
