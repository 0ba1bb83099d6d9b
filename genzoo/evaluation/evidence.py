"""What scores are computed from: a model, the images it is judged by, and what several scores need of both."""

import contextlib
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from genzoo.data.batches import unit_images


@dataclasses.dataclass
class Evidence:
    """A trained model and the images that it is judged by; what several scores need is computed once.

    Attributes:
        model: with the verbs of a ``GenerativeModel``.
        real, labels: images ``(n, height, width, channels)``, uint8, bool or float in [0, 1]; class ids or None.
        train, train_labels: what the model was trained on, or None.
        validation: images, neither trained on nor reported, to choose a setting by; or None.
        factors: dict from name to the true factor of every real image, or None.
        samples: images that are sampled.
        features: as for ``genzoo.metrics.features.feature_network``, or None.
        seed: of samples, of importance sampling, of subsets.
        sampler: of the latents, or None for the prior.
    """

    model: Any
    real: np.ndarray
    labels: np.ndarray | None = None
    train: np.ndarray | None = None
    train_labels: np.ndarray | None = None
    validation: np.ndarray | None = None
    factors: Mapping[str, np.ndarray] | None = None
    samples: int = 10_000
    features: Any = None
    seed: int = 0
    sampler: str | None = None

    @functools.cached_property
    def fake(self):
        sampler = {} if self.sampler is None else {"sampler": self.sampler}
        images = self.model.sample(self.samples, seed=self.seed, **sampler)
        if not np.isfinite(images).all():
            raise ValueError(
                "The model's samples are not finite: its training has diverged. Load an earlier checkpoint."
            )
        return images

    @property
    def components(self):
        """Of the sampler's mixture, or None where latents come from the prior."""
        return self.model.sampler_components(self.sampler)

    @functools.cached_property
    def asked(self):
        """The labels of ``fake``: 0, 1, 2, ... in turn, as ``sample`` chooses them by default."""
        return np.resize([i for i in self.model.label_ids if i >= 0], self.samples)

    @functools.cached_property
    def network(self):
        from genzoo.metrics.features import feature_network

        return feature_network(self.features)

    @functools.cached_property
    def classifier(self):
        """The feature network, if there is one and it classifies."""
        with contextlib.suppress(NotImplementedError):
            if self.features is not None and len(self.network.probabilities(unit_images(self.real[:1]))):
                return self.network
        return None

    @functools.cached_property
    def real_features(self):
        return self.network(unit_images(self.real))

    @functools.cached_property
    def fake_features(self):
        return self.network(self.fake)

    @functools.cached_property
    def fake_probabilities(self):
        return self.classifier.probabilities(self.fake)

    @functools.cached_property
    def real_probabilities(self):
        return self.classifier.probabilities(unit_images(self.real))

    @functools.cached_property
    def codes(self):
        return self.model.encode(self.real, **self.given(self.labels))

    @functools.cached_property
    def train_codes(self):
        return self.model.encode(self.train, **self.given(self.train_labels))

    def given(self, labels):
        """Labels as a keyword argument for the verbs of a conditional model, which need them."""
        return {"labels": labels} if "conditional" in self.model.tags else {}
