r"""Where latents come from, once a model is trained: ``model.fit_sampler(name, x)``, ``model.sample(n, sampler=name)``.

Training draws codes towards the prior $p(z)$ and leaves a gap: the codes of all data, the aggregated posterior
$q(z) = \frac1N \sum_i q(z \mid x_i)$, are another distribution, and what the decoder makes of latents that no image has
is poor. A density fitted to the codes afterwards closes the gap: a plain autoencoder on MNIST has an FID of 58.7 with a
Gaussian and of 10.7 with a mixture of ten (Ghosh et al. 2020).

- ``"standard-normal"``: the prior, as without a sampler, of a model that was trained with this one. It needs no fit.
- ``"gaussian-mixture"``: scikit-learn's ``GaussianMixture`` with full covariances, fitted to a draw of every q(z | x).
- ``"aggregated-posterior"``: an image at random, then a draw of its q(z | x), the mixture above itself. Of an encoder
  without noise these are the codes, so samples are then reconstructions.

Both are mixtures of Gaussians here, drawn from in NumPy, so that a seed gives the same latents on every backend. In a
model that samples by label each component belongs to a label.

Source: Ghosh et al., From Variational to Deterministic Autoencoders, ICLR 2020; Tomczak and Welling, VAE with a
VampPrior, AISTATS 2018, for the aggregated posterior.
"""

import zlib
from collections.abc import Mapping

import numpy as np
from keras import ops

from genzoo.annotations import Array, Data
from genzoo.data.batches import check_images, some_images, to_unit_interval
from genzoo.errors import unknown_name
from genzoo.extras import extra_module
from genzoo.model.part import Part
from genzoo.validation import natural_number, needs, positive_int

NAMES = ("standard-normal", "gaussian-mixture", "aggregated-posterior")


class Mixture:
    r"""A mixture of Gaussians, $\sum_k w_k N(\mu_k, L_k L_k^T)$, whose components may belong to labels.

    Args:
        means: $\mu$, ``(k, latent_dim)``.
        factors: $L$, ``(k, latent_dim, latent_dim)``; ``(k, latent_dim)`` where it is diagonal; None where it is 0.
        weights: $w$, ``(k,)``; None where they are equal.
        labels: the class id of each component, ``(k,)``, or None.

    Example:
    >>> import numpy as np
    >>> mixture = Mixture(np.array([[0.0, 9.0], [5.0, 5.0]]), labels=np.array([0, 1]))
    >>> mixture.draw(2, np.random.default_rng(0), np.array([1, 0])).tolist()
    [[5.0, 5.0], [0.0, 9.0]]
    """

    FIELDS = ("means", "factors", "weights", "labels")

    def __init__(
        self,
        means: np.ndarray,
        factors: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        labels: np.ndarray | None = None,
    ):
        self.means, self.factors, self.weights, self.labels = means, factors, weights, labels
        k, d = np.shape(means) if np.ndim(means) == 2 else (0, 0)
        shapes = {"factors": ((k, d), (k, d, d)), "weights": ((k,),), "labels": ((k,),)}
        for name, allowed in shapes.items():
            found = getattr(self, name)
            if not k or (found is not None and found.shape not in allowed):
                raise ValueError(f"Not a mixture of Gaussians: means {np.shape(means)}, {name} {np.shape(found)}.")

    def draw(self, n: int, rng: np.random.Generator, ids: np.ndarray | None = None) -> np.ndarray:
        """Latents, float32 ``(n, latent_dim)``.

        Args:
            n: how many.
            rng: where randomness comes from.
            ids: class ids ``(n,)`` of a mixture with labels: each latent is of a component of its label.

        Raises:
            ValueError: no component has one of the labels.
        """
        chosen = self._components(rng.random(n), ids)
        z = self.means[chosen].astype("float64")
        if self.factors is not None:
            noise = rng.standard_normal(z.shape)
            if self.factors.ndim == 2:
                z += self.factors[chosen] * noise
            else:
                for k in np.unique(chosen):
                    z[chosen == k] += noise[chosen == k] @ self.factors[k].T
        return z.astype("float32")

    def _components(self, uniform, ids):
        weights = np.ones(len(self.means)) if self.weights is None else self.weights
        if self.labels is None:
            return _inverse_cdf(weights, uniform)
        chosen = np.empty(len(uniform), "int64")
        for label in np.unique(ids):
            own, of_label = ids == label, np.flatnonzero(self.labels == label)
            if len(of_label) == 0:
                raise ValueError(
                    f"This sampler was fitted to no image of label {label}. Fit it to images of every label."
                )
            chosen[own] = of_label[_inverse_cdf(weights[of_label], uniform[own])]
        return chosen


def fit(
    name: str,
    means: np.ndarray,
    deviations: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    n_components: int = 10,
    seed: int = 0,
) -> Mixture:
    """A sampler for the Gaussians q(z | x) of images.

    Args:
        name: ``"gaussian-mixture"`` or ``"aggregated-posterior"``.
        means, deviations: of every q(z | x), ``(n, latent_dim)``; deviations of 0 where the encoder has no noise.
        labels: class ids ``(n,)``; then every label gets a sampler of its own.
        n_components: of a Gaussian mixture; per label, where there are labels.
        seed: of the draws and of the mixture's start.

    Raises:
        ValueError: the name is another, or there are fewer images than components.
        ModuleNotFoundError: a mixture is asked for, and scikit-learn is not installed.

    Example:
    >>> import numpy as np
    >>> codes = np.random.default_rng(0).normal([[3.0, -3.0]], 0.1, (100, 2))
    >>> mixture = fit("gaussian-mixture", codes, np.zeros((100, 2)), n_components=1)
    >>> mixture.means.round().tolist()
    [[3.0, -3.0]]
    """
    check_name(name)
    if name == NAMES[0]:
        raise ValueError(
            f"The sampler {name!r} is the model's prior, which needs no fit. Pass it to sample(n, sampler=...)."
        )
    needs(
        "n_components",
        n_components,
        default=10,
        what="the sampler 'gaussian-mixture'",
        given=name == "gaussian-mixture",
    )
    if name == "aggregated-posterior":
        return Mixture(means, deviations if deviations.any() else None, None, labels)
    count, codes = positive_int("n_components", n_components), means.astype("float64")
    if deviations.any():
        codes += deviations * np.random.default_rng(seed).standard_normal(means.shape)
    if labels is None:
        return Mixture(*_fitted_mixture(codes, count, seed, ""))
    present = np.unique(labels)
    parts = [_fitted_mixture(codes[labels == y], count, seed, f" of label {y}") for y in present]
    means, factors, weights = map(np.concatenate, zip(*parts, strict=True))
    return Mixture(means, factors, weights, np.repeat(present, count))


def _fitted_mixture(codes, count, seed, of_which):
    """Means, Cholesky factors and weights."""
    mixture = extra_module("sklearn.mixture", "metrics", "A Gaussian mixture is fitted by scikit-learn")
    if len(codes) < max(2, count):
        raise ValueError(
            f"{count} components need at least {max(2, count)} images{of_which}. Received: {len(codes)}. "
            "Pass more images, or a smaller n_components."
        )
    found = mixture.GaussianMixture(count, random_state=seed, max_iter=500).fit(codes)
    return found.means_, np.linalg.cholesky(found.covariances_), found.weights_


def _inverse_cdf(weights, uniform):
    total = np.cumsum(weights)
    return np.minimum(np.searchsorted(total, uniform * total[-1], side="right"), len(weights) - 1)


def check_name(name: str) -> None:
    """Refuses what is not the name of a sampler."""
    if name not in NAMES:
        raise unknown_name("sampler", name, NAMES)


class Samplers:
    """The samplers that have been fitted to one model's codes, and of which weights those codes were.

    Codes mean something only to the weights that they come from, so a sampler is stale once the model trains on.
    """

    def __init__(self):
        self._fitted = {}

    def add(self, name: str, mixture: Mixture, checksum: int) -> None:
        """Keeps a sampler for weights with this checksum."""
        self._fitted[name] = mixture, checksum

    def names(self, checksum: int) -> tuple[str, ...]:
        """The samplers that fit the weights with this checksum."""
        return tuple(name for name, (_, fitted_to) in self._fitted.items() if fitted_to == checksum)

    def get(self, name: str, checksum: int) -> Mixture:
        """The sampler of this name.

        Raises:
            ValueError: it was not fitted, or to other weights.
        """
        advice = f"Call model.fit_sampler({name!r}, x) with training images."
        if name not in self._fitted:
            raise ValueError(f"The sampler {name!r} is not fitted. {advice}")
        mixture, fitted_to = self._fitted[name]
        if fitted_to != checksum:
            raise ValueError(f"The sampler {name!r} is stale: the model's weights have changed since its fit. {advice}")
        return mixture

    def arrays(self) -> dict[str, np.ndarray]:
        """All of them as arrays, for a file."""
        found = {}
        for name, (mixture, checksum) in self._fitted.items():
            found[f"{name}.checksum"] = np.array([checksum], "int64")
            present = {field: getattr(mixture, field) for field in Mixture.FIELDS}
            found |= {f"{name}.{field}": array for field, array in present.items() if array is not None}
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Samplers":
        """What ``arrays`` gave."""
        samplers = cls()
        for name in NAMES:
            if f"{name}.means" in arrays:
                fields = {field: arrays[key] for field in Mixture.FIELDS if (key := f"{name}.{field}") in arrays}
                samplers.add(name, Mixture(**fields), int(arrays[f"{name}.checksum"][0]))
        return samplers


class SamplerVerbs(Part):
    """What a model with an encoder does with samplers; a part of ``Verbs``."""

    def fit_sampler(
        self,
        name: str,
        x: Data,
        y: Array | None = None,
        *,
        n_components: int = 10,
        max_images: int = 10_000,
        seed: int = 0,
        batch_size: int = 256,
    ) -> None:
        """Fits a density to the codes of images, for ``sample(n, sampler=name)``. ``genzoo.model.samplers`` says why.

        The model itself stays as it is, and its file holds the sampler. Once the model trains on, or takes other
        weights, the sampler is stale: ``sample`` refuses it until it is fitted again.

        Args:
            name: ``"gaussian-mixture"`` or ``"aggregated-posterior"``, which keeps all the codes.
            x, y: training images and labels in any form that ``fit`` takes. Where the model samples by label each
                label gets a density of its own, and images without a label (-1) are left out.
            n_components: Gaussians in the mixture, per label where there are labels.
            max_images: how many images to encode at most: of arrays a choice at random, of a data set the first.
            seed: of that choice, of the draws of q(z | x), and of the mixture's start.
            batch_size: images per compiled call.
        """
        check_name(name)
        self._check_encoder("fit a sampler of latents")
        seed = natural_number("seed", seed)
        x, y = some_images(x, y, positive_int("max_images", max_images), seed, self.samples_by_label)
        labels = self._ids(y, len(x)) if self.samples_by_label else None
        means, deviations = self._posteriors(x, labels, batch_size)
        mixture = fit(name, means, deviations, labels, n_components=n_components, seed=seed)
        self._samplers.add(name, mixture, self._checksum())

    @property
    def fitted_samplers(self) -> tuple[str, ...]:
        """The names that ``sample`` takes as ``sampler`` beside the prior's: fitted, and to the weights as they are."""
        return self._samplers.names(self._checksum())

    def sampler_components(self, name: str) -> int | None:
        """How many Gaussians a fitted sampler mixes; None for the prior."""
        mixture = self._fitted(name, 1.0, None)
        return None if mixture is None else len(mixture.means)

    def _posterior_images(self, x, *y):
        return ops.concatenate(self.posterior_step(to_unit_interval(x), *y), axis=1)

    def _posteriors(self, x, labels, batch_size):
        """Means and standard deviations of q(z | x), each ``(n, latent_dim)``."""
        check_images(x, self.image_shape)
        condition = (labels,) if "conditional" in self.tags else ()
        return np.split(self._run(self._posterior_images, (x, *condition), batch_size), 2, axis=1)

    def _fitted(self, sampler, temperature, truncation):
        """The sampler of this name, or None for the prior."""
        if sampler is None:
            return None
        check_name(sampler)
        self._check_encoder("draw from a sampler of latents")
        if sampler == NAMES[0]:
            if not self.gaussian_prior:
                raise ValueError(
                    f"The prior of {type(self).__name__} is not a standard normal. Received: {sampler=}. Leave it out "
                    "to draw from the prior."
                )
            return None
        if temperature != 1.0 or truncation is not None:
            raise ValueError(
                f"`temperature` and `truncation` are for latents of the prior. Received: {sampler=}, {temperature=}, "
                f"{truncation=}. Leave them out, or the sampler."
            )
        return self._samplers.get(sampler, self._checksum())

    def _checksum(self):
        """Of the weights, to tell whether they are the same as before."""
        checksum = 0
        for weight in self.weights:
            checksum = zlib.crc32(np.ascontiguousarray(ops.convert_to_numpy(weight)).view("uint8").data, checksum)
        return checksum
