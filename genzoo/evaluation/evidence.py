"""What scores are computed from: a model, the images it is judged by, and what several scores need of both."""

import contextlib
import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from genzoo.data.batches import unit_images

if TYPE_CHECKING:
    from genzoo.metrics.features import FeatureNetwork


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
    train: Any = None  # this and `factors` are for scores that say that they need it
    train_labels: np.ndarray | None = None
    validation: np.ndarray | None = None
    factors: Any = None
    samples: int = 10_000
    features: Any = None
    seed: int = 0
    sampler: str | None = None

    @functools.cached_property
    def fake(self) -> np.ndarray:
        sampler = {} if self.sampler is None else {"sampler": self.sampler}
        images = self.model.sample(self.samples, seed=self.seed, **sampler)
        if not np.isfinite(images).all():
            raise ValueError(
                "The model's samples are not finite: its training has diverged. Load an earlier checkpoint."
            )
        return images

    @property
    def components(self) -> int | None:
        """Of the sampler's mixture, or None where latents come from the prior."""
        return self.model.sampler_components(self.sampler)

    @functools.cached_property
    def asked(self) -> np.ndarray:
        """The labels of ``fake``, as ``sample`` chooses them by default."""
        return np.resize(self.model.trained_labels, self.samples)

    @functools.cached_property
    def network(self) -> "FeatureNetwork":
        from genzoo.metrics.features import feature_network

        return feature_network(self.features)

    @functools.cached_property
    def classifier(self) -> "FeatureNetwork | None":
        """The feature network, if there is one and it classifies."""
        with contextlib.suppress(NotImplementedError):
            if self.features is not None and len(self.network.probabilities(unit_images(self.real[:1]))):
                return self.network
        return None

    @functools.cached_property
    def real_features(self) -> np.ndarray:
        return self.network(unit_images(self.real))

    @functools.cached_property
    def fake_features(self) -> np.ndarray:
        return self.network(self.fake)

    @functools.cached_property
    def fake_probabilities(self) -> np.ndarray:
        return self.network.probabilities(self.fake)

    @functools.cached_property
    def real_probabilities(self) -> np.ndarray:
        return self.network.probabilities(unit_images(self.real))

    @functools.cached_property
    def codes(self) -> np.ndarray:
        return self.model.encode(self.real, **self.given(self.labels))

    @functools.cached_property
    def train_codes(self) -> np.ndarray:
        return self.model.encode(self.train, **self.given(self.train_labels))

    def representations(self, layer: str | None) -> tuple[np.ndarray, np.ndarray]:
        """What the model makes of the training images and of the real ones.

        Args:
            layer: None for codes, ``"features"`` for the model's own features, or the name of a layer.
        """
        if layer is None:
            return self.train_codes, self.codes
        of_layer = {} if layer == "features" else {"layer": layer}
        train, real = (self.model.features(x, **of_layer) for x in (self.train, self.real))
        return train, real

    def given(self, labels: Any) -> dict[str, Any]:
        """Labels as a keyword argument for the verbs of a conditional model, which need them."""
        return {"labels": labels} if "conditional" in self.model.tags else {}
