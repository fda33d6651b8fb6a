"""SemiSupervisedClassifier: the contract of scikit-learn, the same after pickling, nothing left behind."""

import logging
import pickle
import random
import signal
import tempfile
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_classifiers_predictions, check_estimator

import usb_ext
from usb_ext.engine.loop import Loop
from usb_ext.estimator.classifier import SemiSupervisedClassifier

FAST: dict[str, Any] = {
    "net": "linear", "num_train_iter": 30, "batch_size": 16, "lr": 0.1, "random_state": 0, "device": "cpu",
    "settings": {"ema_m": 0.5, "uratio": 2},
}  # fmt: skip
"""A linear layer that separates clouds of points in 30 steps."""


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary folders are made here, so that what is left of them is seen."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def clouds(labelled: int = 6, n: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (n, 4) of three clouds, y with all but the first of each class at -1, and the truth."""
    X, truth = make_blobs(n, n_features=4, centers=3, cluster_std=1.0, random_state=4)
    y = np.full(n, -1)
    for c in range(3):
        rows = np.flatnonzero(truth == c)[: labelled // 3]
        y[rows] = c
    return X, y, truth


def test_scikit_learns_checks_pass() -> None:
    """One is not applicable: it fits -1 as the name of a class, which here says that there is none."""
    inapplicable = {
        "check_classifiers_classes": "its last part has -1 as a class; scikit-learn leaves that out for its "
        "own three semi-supervised classifiers, by their names"
    }
    results = check_estimator(
        SemiSupervisedClassifier("fixmatch", **{**FAST, "num_train_iter": 10, "lr": 0.3}),
        expected_failed_checks=inapplicable,
        on_skip=None,
    )
    failed = {r["check_name"] for r in results if r["status"] not in ("passed", "skipped")}
    assert failed == set(inapplicable)
    assert len(results) > 45


@pytest.mark.parametrize("dtype", ["U", "O"])
def test_the_rest_of_the_check_that_is_left_out(dtype: str) -> None:
    X, y = make_blobs(30, random_state=0, cluster_std=0.1)
    names = np.array(["one", "two", "three"]).astype(dtype)[y]
    check_classifiers_predictions(
        X, names, "SemiSupervisedClassifier", SemiSupervisedClassifier(**FAST)
    )


def test_unlabelled_examples_are_learned_from() -> None:
    X, y, truth = clouds()
    model = SemiSupervisedClassifier("fixmatch", **FAST).fit(X, y)
    assert model.classes_.tolist() == [0, 1, 2] and model.n_features_in_ == 4
    assert model.score(X, truth) > 0.9
    other = SemiSupervisedClassifier("fixmatch", **FAST).fit(X[y >= 0], y[y >= 0])
    assert np.abs(model.predict_proba(X) - other.predict_proba(X)).max() > 1e-3


def test_texts_stay_texts() -> None:
    X, y, truth = clouds()
    names = np.array(["ash", "birch", "cedar"], dtype=object)
    texts = np.where(y < 0, -1, names[y])
    model = SemiSupervisedClassifier(**FAST).fit(X, texts)
    assert model.classes_.tolist() == names.tolist()
    assert (model.predict(X) == names[truth]).mean() > 0.9


def test_a_pickle_holds_the_weights_and_predicts_the_same_to_the_bit() -> None:
    X, y, _ = clouds()
    model = SemiSupervisedClassifier(**{**FAST, "net": "mlp_8"}).fit(X, y)
    before, few = model.predict_proba(X), model.predict_proba(X[:3])  # rounding hangs on the rows
    content = pickle.dumps(model)
    assert b"semilearn" not in content
    again = pickle.loads(content)
    assert np.array_equal(again.predict_proba(X), before)
    assert np.array_equal(pickle.loads(pickle.dumps(again)).predict_proba(X[:3]), few)


def test_one_seed_is_one_classifier_and_a_clone_is_unfitted() -> None:
    X, y, _ = clouds()
    model = SemiSupervisedClassifier(**FAST)
    first = model.fit(X, y).predict_proba(X)
    assert np.array_equal(clone(model).fit(X, y).predict_proba(X), first)
    other = model.set_params(random_state=1).fit(X, y).predict_proba(X)
    assert not np.array_equal(other, first)
    assert not hasattr(clone(model), "classes_")


def test_pipelines_and_searches_take_it() -> None:
    X, y, truth = clouds(labelled=18)
    piped = make_pipeline(MinMaxScaler(), SemiSupervisedClassifier(**FAST))
    name = "semisupervisedclassifier"
    grid = GridSearchCV(piped, {f"{name}__lr": [1e-6, 0.1]}, cv=2, error_score="raise").fit(X, y)
    assert grid.best_params_ == {f"{name}__lr": 0.1}
    assert grid.score(X, truth) > 0.9


def test_a_score_leaves_unlabelled_examples_out() -> None:
    X, y, truth = clouds()
    model = SemiSupervisedClassifier(**FAST).fit(X, y)
    known = y >= 0
    assert model.score(X, y) == (model.predict(X[known]) == truth[known]).mean()
    weights = np.where(truth == 0, 2.0, 1.0)
    right = (model.predict(X[known]) == y[known]).astype(float)
    assert model.score(X, y, weights) == pytest.approx(np.average(right, weights=weights[known]))
    with pytest.raises(ValueError, match="-1 everywhere"):
        model.score(X, np.full(len(X), -1))


def test_features_of_any_scale_are_standardised_over_all_of_them() -> None:
    X, y, truth = clouds()
    scale, shift = np.array([1e-3, 1.0, 50.0, 1e4]), np.array([5.0, -3.0, 0.0, 1e5])
    plain = SemiSupervisedClassifier(**FAST).fit(X, y)
    scaled = SemiSupervisedClassifier(**FAST).fit(X * scale + shift, y)
    np.testing.assert_allclose(
        scaled.predict_proba(X * scale + shift), plain.predict_proba(X), atol=1e-3
    )
    assert plain.scaler_ is not None
    np.testing.assert_allclose(plain.scaler_.mean_, X.mean(axis=0))
    assert SemiSupervisedClassifier(**FAST, standardize=False).fit(X, y).scaler_ is None


def test_nothing_is_said_and_nothing_is_left(
    own_temporary_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    X, y, _ = clouds()
    monkeypatch.chdir(tmp_path)
    threads, logger = torch.get_num_threads(), logging.getLogger("usb_ext")
    told = logger.level, logger.propagate, list(logger.handlers)
    states = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            SemiSupervisedClassifier(**FAST).fit(X, y).predict(X)
    assert capfd.readouterr() == ("", "")
    assert list(own_temporary_folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == [own_temporary_folder]
    assert torch.get_num_threads() == threads
    assert (logger.level, logger.propagate, list(logger.handlers)) == told
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tobytes() == states[1]
    assert torch.get_rng_state().tolist() == states[2]


def test_verbose_shows_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    X, y, _ = clouds()
    SemiSupervisedClassifier(**FAST, verbose=True).fit(X, y)
    assert "step 30/30" in capfd.readouterr().err


def test_a_warning_of_the_run_is_one_of_pythons() -> None:
    X, y, _ = clouds()
    with pytest.warns(UserWarning, match="no effect.*p_cutoff"):
        SemiSupervisedClassifier("freematch", **{**FAST, "settings": {"p_cutoff": 0.9}}).fit(X, y)


def test_an_interrupted_fit_is_a_keyboard_interrupt_and_leaves_nothing(
    own_temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y, _ = clouds()
    model, original = SemiSupervisedClassifier(**FAST), Loop._end_epoch

    def end_epoch(self: Any) -> None:
        original(self)
        if self.it == 7:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Loop, "_end_epoch", end_epoch)
    before = signal.getsignal(signal.SIGINT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(KeyboardInterrupt, match="stopped after step 7 of 30; nothing is kept"):
            model.fit(X, y)
    assert signal.getsignal(signal.SIGINT) == before
    assert not hasattr(model, "classes_")
    assert list(own_temporary_folder.iterdir()) == []


def test_a_failed_fit_leaves_nothing(own_temporary_folder: Path) -> None:
    X, y, _ = clouds()
    with pytest.raises(usb_ext.RunFailed, match="finite"):
        SemiSupervisedClassifier(**{**FAST, "lr": 1e30, "settings": {"optim": "SGD"}}).fit(X, y)
    assert list(own_temporary_folder.iterdir()) == []


def test_threads_of_one_process_may_fit(own_temporary_folder: Path) -> None:
    X, y, _ = clouds()
    alone = SemiSupervisedClassifier(**FAST).fit(X, y).predict_proba(X)
    models = [SemiSupervisedClassifier(**FAST) for _ in range(2)]
    threads = [threading.Thread(target=model.fit, args=(X, y)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(model.predict_proba(X), alone) for model in models)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"algorithm": "fixmach"}, "algorithm is 'fixmach' .did you mean fixmatch"),
        ({"net": "wrn_28_2"}, "feature_size is 4, but net wrn_28_2 takes no vectors"),
        ({"lr": -1.0}, "lr: got -1.0"),
        ({"feature_dropout": 1.0}, "feature_dropout: got 1.0"),
        ({"settings": {"seed": 1}}, "settings holds seed, which follows from"),
        ({"settings": {"lr": 0.1}}, "settings holds lr, which is a parameter of its own"),
        ({"settings": {"p_cutof": 0.9}}, "unknown setting p_cutof: did you mean p_cutoff"),
        ({"algorithm": "remixmatch"}, "remixmatch wants rotated views"),
        ({"algorithm": "dash"}, "dash sets its threshold by the loss on the test split"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_parameter_is_told_at_fit(changed: dict[str, Any], said: str) -> None:
    X, y, _ = clouds()
    with pytest.raises(usb_ext.SettingsError, match=said) as caught:
        SemiSupervisedClassifier(**{**FAST, **changed}).fit(X, y)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize(
    "algorithm", ["adamatch", "comatch", "mixmatch", "pseudolabel", "smoothfixmatch", "vat"]
)
def test_other_algorithms_learn_the_clouds(algorithm: str) -> None:
    X, y, truth = clouds(labelled=18)
    model = SemiSupervisedClassifier(algorithm, **FAST).fit(X, y)
    assert model.score(X, truth) > 0.9, algorithm


def digit_images(n: int) -> tuple[np.ndarray, np.ndarray]:
    """n images (16, 16, 3) of zeros and ones, bright on dark."""
    raw, targets = load_digits(n_class=2, return_X_y=True)
    grey = np.kron(raw[:n].reshape(-1, 8, 8), np.ones((1, 2, 2))) * 15
    return np.repeat(grey[..., None], 3, axis=3).astype(np.uint8), targets[:n]


IMAGES: dict[str, Any] = {
    "net": "wrn_10_1", "num_train_iter": 12, "lr": 0.05, "batch_size": 8, "random_state": 0, "device": "cpu",
    "hflip": False, "settings": {"uratio": 1, "ema_m": 0.5, "bn_images": 32},
}  # fmt: skip


def test_images_and_files_are_learned_alike(tmp_path: Path) -> None:
    images, truth = digit_images(60)
    y = np.where(np.arange(60) < 20, truth, -1)
    model = SemiSupervisedClassifier("fixmatch", **IMAGES).fit(images, y)
    assert not hasattr(model, "n_features_in_")
    assert model.score(images, truth) > 0.8
    refitted = SemiSupervisedClassifier("fixmatch", **FAST).fit(*clouds()[:2])
    refitted.set_params(**{**IMAGES, "num_train_iter": 1}).fit(images, y)
    assert not hasattr(refitted, "n_features_in_") and refitted.predict(images[:2]).shape == (2,)
    files = []
    for number, image in enumerate(images):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(image).save(files[-1])
    sized = {**IMAGES, "settings": {**IMAGES["settings"], "img_size": 16}}
    of_files = SemiSupervisedClassifier("fixmatch", **sized).fit(files, y)
    expected = model.predict_proba(images)
    assert np.array_equal(of_files.predict_proba(list(map(str, files))), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict_proba(images), expected)
    (tmp_path / "0.png").write_bytes(b"no image")
    with pytest.raises(usb_ext.DataMissing, match="cannot decode .*0.png"):
        SemiSupervisedClassifier(**sized).fit(files, y)
    with pytest.raises(usb_ext.DataMissing, match="cannot decode .*0.png"):
        model.predict(files[:2])
    with pytest.raises(ValueError, match="X is features, but the classifier was fitted on images"):
        model.predict(np.zeros((3, 4)))


def test_images_of_another_kind_are_refused() -> None:
    X, y, _ = clouds()
    model = SemiSupervisedClassifier(**FAST)
    with pytest.raises(ValueError, match=r"uint8 \(N, H, W, 3\), got float64"):
        model.fit(np.zeros((4, 8, 8, 3)), np.array([0, 1, 0, 1]))
    with pytest.raises(ValueError, match="number 1 is a int"):
        model.fit(["a.png", 3], np.array([0, 1]))
    model.fit(X, y)
    with pytest.raises(ValueError, match="fitted on features"):
        model.predict(np.zeros((4, 8, 8, 3), np.uint8))
