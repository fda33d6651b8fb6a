"""Features for clustering: few numbers of an image, made of several of its views (`reduced.npz`).

Choice of images and spread of labels (AS3L, Secs. 4.3 and 4.4) cluster all images many times; on these
features that takes a tenth of the time that 1,280 numbers of the plain view take.
"""

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.arrays import blocks, unit_length

COMPONENTS = 128
"""ours: numbers that are left of an image."""

LEARNED_FROM = 50_000
"""ours: of a larger set, so many images, drawn with seed 0, decide the components."""


def reduced(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first principal components of features that are made alike first.

    ours: the signed square root, scaled to length 1 (as `feature_transform: power`), then principal
    components about the mean.

    Args:
        values: (N, d) finite.

    Returns:
        (N, min(COMPONENTS, N, d)) float32.
    """
    from sklearn.decomposition import PCA

    rooted = unit_length(np.sqrt(np.abs(values)) * np.sign(values))
    axes = PCA(min(COMPONENTS, *rooted.shape), random_state=0)
    if len(rooted) <= LEARNED_FROM:
        return np.ascontiguousarray(axes.fit_transform(rooted), dtype=np.float32)
    drawn = np.random.default_rng(0).choice(len(rooted), LEARNED_FROM, replace=False)
    axes.fit(rooted[np.sort(drawn)])
    found = np.empty((len(rooted), axes.n_components_), dtype=np.float32)
    for part in blocks(*rooted.shape):
        found[part] = axes.transform(rooted[part])
    return found
