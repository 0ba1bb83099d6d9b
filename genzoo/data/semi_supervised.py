"""Batches that mix images with and without labels, where only few have one."""

from typing import Any

import numpy as np

from genzoo.annotations import Array
from genzoo.data.batches import ImageBatches, check_labels
from genzoo.validation import natural_number, positive_int


class SemiSupervisedBatches(ImageBatches):
    """Images of which some have a label, in batches that hold labelled and unlabelled ones in a fixed ratio.

    An epoch passes over the unlabelled images once. Labelled images, far fewer, come round as often as it takes, each
    time in an order of its own. As in ``ImageBatches`` everything follows from the seed and the steps made before.

    Args:
        images: array ``(n, height, width, channels)``.
        labels: class ids ``(n,)``, -1 where there is none.
        batch_size: images per batch; the last batch of an epoch may be smaller.
        labelled_fraction: the labelled share of a batch, rounded to at least one image on either side.
        shuffle, seed, first_step, endless, class_names, binarise: as for ``ImageBatches``.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int = 128,
        labelled_fraction: float = 0.5,
        shuffle: bool = True,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(images, labels, batch_size, shuffle, seed, **kwargs)
        if not 0 < labelled_fraction < 1 or self.batch_size < 2:
            raise ValueError(
                "A batch holds labelled and unlabelled images. Expected: labelled_fraction between 0 and 1, "
                f"batch_size at least 2. Received: {labelled_fraction=}, {batch_size=}"
            )
        self.labelled_fraction = labelled_fraction
        self._groups = [np.flatnonzero(labels >= 0), np.flatnonzero(labels < 0)]
        if min(map(len, self._groups)) == 0:
            raise ValueError(
                "Expected images with a label and images without (-1). Received: "
                f"{len(self._groups[0])} with, {len(self._groups[1])} without. Where all are alike, fit takes arrays."
            )
        self._labelled_size = min(max(round(labelled_fraction * self.batch_size), 1), self.batch_size - 1)
        self._steps = -(-len(self._groups[1]) // (self.batch_size - self._labelled_size))

    def _like(self, images, labels, batch_size, shuffle=True, **options):
        options |= {"class_names": self.class_names, "binarise": self.binarise}
        shuffle = shuffle and self.shuffle
        return type(self)(images, labels, batch_size, self.labelled_fraction, shuffle, self.seed, **options)

    def _drawn(self, permuted):
        labelled, unlabelled = self._groups
        size = self._labelled_size
        rounds = -(-self._steps * size // len(labelled))
        labelled = np.concatenate([permuted(labelled) for _ in range(rounds)])[: self._steps * size]
        # Batch after batch, each with its labelled images first.
        starts = np.arange(0, self._steps * (self.batch_size - size), self.batch_size - size)
        return np.insert(permuted(unlabelled), np.repeat(starts, size), labelled)


def semi_supervised(
    x: Array,
    y: Array | None = None,
    *,
    num_labelled: int | None = 100,
    batch_size: int | None = None,
    labelled_fraction: float = 0.5,
    seed: int = 0,
) -> SemiSupervisedBatches:
    """Images of which only a few keep their labels, in batches for models that learn from both.

    Args:
        x: images as an array, or a set in memory that ``load`` returned.
        y: class ids ``(n,)`` where ``x`` is an array; -1 where there is none.
        num_labelled: how many images keep their label, drawn evenly from the classes; None for all that have one.
        batch_size: images per batch, labelled and unlabelled together; by default that of the set, or 128.
        labelled_fraction: the labelled share of every batch.
        seed: fixes which images keep their label, and the order of the batches.

    Returns:
        A ``SemiSupervisedBatches``, which ``fit`` takes.

    Raises:
        ValueError: labels missing or not class ids, or fewer of a class than are asked for.

    Example:
    >>> import genzoo
    >>> digits = genzoo.data.load("digits")
    >>> batches = genzoo.data.semi_supervised(digits, num_labelled=20, batch_size=32, labelled_fraction=0.25)
    >>> images, labels = batches[0]
    >>> images.shape, int((labels >= 0).sum()), int((labels < 0).sum())
    ((32, 8, 8, 1), 8, 24)
    """
    options: dict[str, Any] = {"class_names": x.class_names} if isinstance(x, ImageBatches) and y is None else {}
    if isinstance(x, ImageBatches):
        options["binarise"] = x.binarise
        x, y, batch_size = x.images, x.labels if y is None else y, batch_size or x.batch_size
    labels = check_labels(y, range(-1, np.iinfo(np.int32).max), "semi_supervised")
    if num_labelled is not None:
        labels = _kept(labels, positive_int("num_labelled", num_labelled), natural_number("seed", seed))
    batch_size = 128 if batch_size is None else batch_size
    return SemiSupervisedBatches(x, labels, batch_size, labelled_fraction, seed=seed, **options)


def _kept(y, num_labelled, seed):
    """The labels with all but ``num_labelled`` replaced by -1; the classes' shares differ by one at most."""
    classes, rng = np.unique(y[y >= 0]), np.random.default_rng(seed)
    kept = np.full_like(y, -1)
    for i, label in enumerate(rng.permutation(classes)):
        count, members = (num_labelled + len(classes) - 1 - i) // len(classes), np.flatnonzero(y == label)
        if count > len(members):
            raise ValueError(
                f"Class {label} has {len(members)} labelled images, fewer than its share of {num_labelled}, {count}. "
                f"Received: {num_labelled=}. Ask for fewer."
            )
        kept[rng.choice(members, count, replace=False)] = label
    return kept
