"""`usb_ext.SemiSupervisedClassifier`: any of the algorithms behind scikit-learn's `fit` and `predict`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    assert_all_finite,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from usb_ext.core.runtime import resolve_device
from usb_ext.data.preprocessing import ImagePreprocessing
from usb_ext.data.sets import Source
from usb_ext.estimator.examples import (
    Kind,
    decoded,
    feature_set,
    file_names,
    image_set,
    kind_of,
    squares,
)
from usb_ext.estimator.labels import Labels, is_unlabelled, read_labels
from usb_ext.estimator.recipe import settings_of
from usb_ext.inference.predict import predict
from usb_ext.settings import LoadedSettings
from usb_ext.settings.keywords import in_keywords
from usb_ext.training.in_memory import trained_network

ROWS = 4096
"""ours: vectors that go through the network at once."""


class SemiSupervisedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn: no types
    """A semi-supervised classifier with scikit-learn's interface, trained by this package's engine.

    `y == -1` marks an example whose class is not known. Examples are features, a table (N, d) of finite
    numbers; images, uint8 of shape (N, H, W, 3); or a sequence of image files.

    ours: views of features. Features have no crop and no colour, so the weak view is the example with
    Gaussian noise (`feature_noise`), and of the strong view a share of the numbers (`feature_dropout`) is
    besides set to 0, the mean of a standardised feature.

    Args:
        algorithm: as `usb-ext algorithms` lists them: layermatch, fixmatch, freematch, softmatch, ...
        net: the network; None is mlp_256 (one hidden layer) for features and wrn_28_2 for images. `linear`
            has no hidden layer; timm/NAME and others are for images.
        num_train_iter: training steps; None is 500 for features and 1,000 for images.
        batch_size: labelled examples a step, beside 7 times as many unlabelled ones; None is 32.
        lr: learning rate; None is 0.003 (AdamW) for features and 0.03 (SGD) for images.
        standardize: subtract each feature's mean and divide by its standard deviation, both over all of X,
            labelled or not.
        feature_noise: standard deviation of the noise, in units of the standardised features.
        feature_dropout: share of numbers that a strong view leaves out, in [0, 1).
        hflip: whether an image mirrored left to right keeps its class.
        settings: any other settings by name, such as {"p_cutoff": 0.9, "extensions": ["grad_relu"]}.
        device: auto (cuda, else mps, else cpu), cpu, mps, cuda or cuda:N.
        verbose: show the lines and the bar of a run; otherwise its warnings alone, as Python's.
        random_state: None, a seed, or a generator of NumPy's, as everywhere in scikit-learn.

    Attributes:
        classes_: (K,) the classes in `y` but for -1, sorted.
        n_features_in_: d, where X is features.
        n_iter_: training steps taken.
        network_: the averaged weights with the settings of their run; pickled with the estimator.
        scaler_: `StandardScaler` of the features; None where nothing is standardised.
    """

    def __init__(
        self,
        algorithm: str = "layermatch",
        *,
        net: str | None = None,
        num_train_iter: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        standardize: bool = True,
        feature_noise: float = 0.3,
        feature_dropout: float = 0.3,
        hflip: bool = True,
        settings: Mapping[str, Any] | None = None,
        device: str = "auto",
        verbose: bool = False,
        random_state: Any = None,  # what `check_random_state` takes
    ) -> None:
        self.algorithm = algorithm
        self.net = net
        self.num_train_iter = num_train_iter
        self.batch_size = batch_size
        self.lr = lr
        self.standardize = standardize
        self.feature_noise = feature_noise
        self.feature_dropout = feature_dropout
        self.hflip = hflip
        self.settings = settings
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    @in_keywords
    def fit(self, X: Any, y: ArrayLike) -> "SemiSupervisedClassifier":
        """Train on labelled and unlabelled examples; nothing is left on the disk.

        Args:
            X: features (N, d), images (N, H, W, 3) uint8, or N image files.
            y: (N,) classes, -1 for unlabelled. Texts go in an array of dtype object, with the number -1.

        Raises:
            ValueError: what scikit-learn refuses: lengths that differ, NaN, classes that are none, one class.
            SettingsError: a parameter that no run takes.
            DataMissing: an image file that cannot be decoded.
            RunFailed: a loss that is not finite.
            Interrupted: Ctrl-C; the estimator stays as it was.
        """
        kind = kind_of(X)
        if kind == "features":
            X, y = validate_data(self, X, y, dtype=np.float64)
        else:
            self.__dict__.pop("n_features_in_", None)  # of an earlier fit on features
            self.__dict__.pop("feature_names_in_", None)
            X = file_names(X) if kind == "files" else X
            check_consistent_length(X, y)
            assert_all_finite(np.asarray(y), input_name="y")
        labels = read_labels(y)
        loaded = self._settings(labels, X, kind)
        scaler = StandardScaler().fit(X) if kind == "features" and self.standardize else None
        if kind == "features":
            source = Source(
                arrays=feature_set(X if scaler is None else scaler.transform(X), labels)
            )
            transform = None
        else:
            source, transform = self._images(X, labels, loaded)
        found = trained_network(loaded, source, shown=bool(self.verbose))
        self.classes_, self.network_, self.scaler_ = labels.classes, found, scaler
        self._transform, self.n_iter_ = transform, loaded.settings.num_train_iter
        return self

    def _settings(self, labels: Labels, X: Any, kind: Kind) -> LoadedSettings:
        """The settings of a fit."""
        names = ["algorithm", "net", "num_train_iter", "batch_size", "lr", "device"]
        names += ["feature_noise", "feature_dropout"] if kind == "features" else []
        return settings_of(
            {name: getattr(self, name) for name in names},
            self.settings,
            features=X.shape[1] if kind == "features" else None,
            side=min(X.shape[1:3]) if kind == "images" else None,
            num_classes=len(labels.classes),
            num_labels=int((labels.codes >= 0).sum()),
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            verbose=bool(self.verbose),
        )

    def _images(
        self, X: Any, labels: Labels, loaded: LoadedSettings
    ) -> tuple[Source, ImagePreprocessing]:
        """The data set of images, and how one is prepared to be predicted."""
        size, net = loaded.settings.img_size, loaded.settings.net
        images = decoded(X, size) if isinstance(X, list) else squares(X, size)
        arrays = image_set(images, labels, net, self.hflip)
        return Source(arrays=arrays), ImagePreprocessing(size, arrays.mean, arrays.std)

    @in_keywords
    def predict_proba(self, X: Any) -> NDArray[np.floating[Any]]:
        """The probability of each class, (N, K), columns in the order of `classes_`.

        Of features it is computed in float64, so that it does not hang on which examples are asked together.

        Args:
            X: examples of the kind that was fitted.

        Raises:
            ValueError: of another kind, or another number of features.
            DataMissing: an image file that cannot be decoded.
        """
        check_is_fitted(self)
        device = resolve_device(self.device)
        if self._transform is None:
            return self._of_features(X, device)
        if kind_of(X) == "features":
            raise ValueError(
                "X is features, but the classifier was fitted on images; give images or files"
            )
        images = list(file_names(X)) if kind_of(X) == "files" else X
        network = self.network_.network(device)
        found = predict(network, self._transform, tuple(map(str, self.classes_)), images)
        return found.probabilities

    def _of_features(self, X: Any, device: torch.device) -> NDArray[np.float64]:
        """Probabilities (N, K) of features (N, d)."""
        if kind_of(X) != "features":
            raise ValueError(f"X is {kind_of(X)}, but the classifier was fitted on features (N, d)")
        values = validate_data(self, X, reset=False, dtype=np.float64)
        values = values if self.scaler_ is None else self.scaler_.transform(values)
        dtype = torch.float32 if device.type == "mps" else torch.float64  # which has no float64
        network = self.network_.network(device, dtype)
        parts = []
        with torch.inference_mode():
            for rows in torch.split(torch.from_numpy(np.ascontiguousarray(values)), ROWS):
                logits = network(rows.to(device=device, dtype=dtype))["logits"]
                parts.append(torch.softmax(logits, dim=-1).double().cpu().numpy())
        return np.concatenate(parts)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each example, (N,); see `predict_proba`."""
        best = self.predict_proba(X).argmax(axis=1)
        found: NDArray[Any] = self.classes_[best]
        return found

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy on the examples whose class is known, so that a fold of a search may hold others.

        Args:
            X: examples.
            y: (N,) classes; those that are -1 are left out.
            sample_weight: (N,) or None.

        Raises:
            ValueError: no example has a class.
        """
        truth = np.asarray(y)
        known = ~is_unlabelled(truth)
        if not known.any():
            raise ValueError("y is -1 everywhere; a score needs examples whose class is known")
        weights = None if sample_weight is None else np.asarray(sample_weight)[known]
        found = self.predict(X)[known]
        return float(np.average(found == truth[known], weights=weights))
