"""Sharpness, memorisation and variety of images."""

from typing import NamedTuple

import keras
import numpy as np

from genzoo.annotations import Array
from genzoo.data.batches import check_images
from genzoo.extras import sklearn
from genzoo.metrics.distances import checked_probabilities
from genzoo.validation import positive_int

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


class LabelHistogram(NamedTuple):
    """Share of the samples that have each label, ``(classes,)``, and its entropy in nats."""

    histogram: np.ndarray
    entropy: float


def sharpness(images: Array, *, batch_size: int = 1000) -> np.ndarray:
    r"""Variance of each image's Laplacian: small where edges are blurred. Noise is sharp, too.

    $$\operatorname{Var}_{i,j}\big[x_{i-1,j} + x_{i+1,j} + x_{i,j-1} + x_{i,j+1} - 4 x_{i,j}\big]$$

    over the pixels that have four neighbours. Of images in colour, the Laplacian of their luminance.

    Args:
        images: ``(n, height, width, 1 or 3)``, uint8 or float in [0, 1]; sides of at least 3.
        batch_size: images at a time.

    Returns:
        float64 array ``(n,)``, in units of squared pixel values in [0, 1].

    Raises:
        ValueError: no images, or smaller ones.

    Example:
    >>> import numpy as np
    >>> checkered = np.indices((1, 8, 8, 1)).sum(0) % 2
    >>> sharpness(np.concatenate([checkered, 0 * checkered]).astype("float32"))
    array([16.,  0.])

    Source: Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000.
    """
    images = np.asarray(images)
    check_images(images)
    axis = 3 if keras.config.image_data_format() == "channels_last" else 1
    size = [n for i, n in enumerate(images.shape) if i not in (0, axis)]
    if min(size) < 3 or images.shape[axis] not in (1, 3):
        raise ValueError(f"Expected images of at least 3x3 in 1 or 3 channels. Received: shape {images.shape}")
    positive_int("batch_size", batch_size)
    weights = np.array(LUMINANCE if images.shape[axis] == 3 else (1.0,)) / (255 if images.dtype == np.uint8 else 1)
    starts = range(0, len(images), batch_size)
    return np.concatenate([_variances(np.moveaxis(images[i : i + batch_size], axis, -1) @ weights) for i in starts])


def _variances(x):
    middle = x[:, 1:-1, 1:-1]
    laplacian = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:] - 4.0 * middle
    return laplacian.var(axis=(1, 2))


def nearest_neighbours(fake: Array, train: Array, *, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The training images nearest to samples. Distances near 0 mean that the model has memorised them.

    Compare with the distances of test images, which it cannot have memorised.

    Args:
        fake: images ``(m, ...)``, or features ``(m, d)``.
        train: training images or features of the same size ``(n, ...)``; of images, both uint8 or both in [0, 1].
        k: how many neighbours of each, at most n.

    Returns:
        Euclidean distances ``(m, k)``, the nearest first, and the neighbours' indices ``(m, k)``.

    Raises:
        ValueError: arrays of other shapes or kinds.
        ModuleNotFoundError: scikit-learn is not installed.

    Example:
    >>> import numpy as np
    >>> distances, indices = nearest_neighbours(np.array([[0.0, 3.0]]), np.array([[9.0, 9.0], [0.0, 0.0]]))
    >>> distances.tolist(), indices.tolist()
    ([[3.0]], [[1]])
    """
    fake, train = np.asarray(fake), np.asarray(train)
    if (fake.dtype == np.uint8) != (train.dtype == np.uint8):
        raise ValueError(f"Expected both as uint8 or both as float. Received: {fake.dtype} and {train.dtype}.")
    if fake.ndim < 2 or fake.shape[1:] != train.shape[1:] or not len(fake) or positive_int("k", k) > len(train):
        raise ValueError(
            f"Expected arrays of one size, and at least k={k} to choose from. Received: shapes {fake.shape} and "
            f"{train.shape}."
        )
    search = sklearn("neighbors").NearestNeighbors(n_neighbors=k, algorithm="brute")
    whole = train.dtype == np.uint8
    flat = [a.reshape(len(a), -1).astype("float32" if whole else "float64") for a in (fake, train)]
    centre = 0 if whole else flat[1].mean(axis=0)  # far from 0 the distances would be rounding errors
    return search.fit(flat[1] - centre).kneighbors(flat[0] - centre)


def label_histogram(probabilities: Array) -> LabelHistogram:
    r"""How many samples a classifier gives each class, and how evenly: entropy $-\sum_c h_c \log h_c$.

    Args:
        probabilities: of the classes for each sample, ``(n, classes)``.

    Returns:
        The share of each most probable label, and the entropy of the shares, from 0 to log(classes) nats.

    Raises:
        ValueError: rows that are no probabilities.

    Example:
    >>> import numpy as np
    >>> found = label_histogram(np.eye(4)[[0, 0, 1, 1]])
    >>> found.histogram.tolist(), round(found.entropy, 4)
    ([0.5, 0.5, 0.0, 0.0], 0.6931)
    """
    p = checked_probabilities(probabilities)
    shares = np.bincount(p.argmax(axis=1), minlength=p.shape[1]) / len(p)
    present = shares[shares > 0]
    return LabelHistogram(shares, float(np.sum(present * np.log(1.0 / present))))
