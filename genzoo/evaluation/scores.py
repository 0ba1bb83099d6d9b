"""The scores that ``genzoo.evaluation`` gives a trained model, by name: what each needs and how it is computed.

A score is a function of a :class:`Subject` and of its own keyword arguments. It returns ``value``, the number that
counts, what belongs beside it, and in ``protocol`` what the number depends on.
"""

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from genzoo import metrics
from genzoo.data.batches import unit_images
from genzoo.errors import unknown_name


@dataclasses.dataclass
class Subject:
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
        """The labels of ``fake``: 0, 1, 2, ... in turn, which is what ``sample`` does by itself."""
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
        """Labels as a keyword for the verbs of a conditional model, which cannot do without."""
        return {"labels": labels} if "conditional" in self.model.tags else {}


@dataclasses.dataclass(frozen=True)
class Score:
    """A score: its function, and what a model and the data must have for it.

    Attributes:
        function: ``(subject, **arguments) -> {"value": ..., "protocol": {...}, ...}``.
        what: one line.
        tags: of the model.
        needs: attributes of the :class:`Subject` that must not be None.
        better: ``"higher"`` or ``"lower"``, or empty where neither is.
        usual: whether it is computed where nobody has asked for particular ones: cheap, and of general interest.
    """

    function: Callable
    what: str
    tags: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    better: str = "higher"
    usual: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """Its arguments and their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def lacks(self, subject: Subject) -> str | None:
        """Why this score cannot be computed, or None."""
        if "translation" in subject.model.tags:
            return "the model makes images from images"
        missing = sorted(self.tags - set(subject.model.tags))
        if missing:
            return f"the model has no {' and no '.join(missing)}"
        wanted = {*self.needs, *(["labels"] if self._conditioned(subject) else [])}
        missing = sorted(name for name in wanted if getattr(subject, name) is None)
        return f"there are no {' and no '.join(WORDS.get(name, name) for name in missing)}" if missing else None

    def _conditioned(self, subject):
        return "conditional" in subject.model.tags and self.tags & {"encoder", "likelihood"}


WORDS = {
    "features": "features for this data (name a feature network)",
    "classifier": "feature network that classifies",
    "labels": "labels of the real images",
    "train": "training images",
    "train_labels": "labels of the training images",
    "factors": "known factors (the data set 'sprites' has them)",
}
SCORES: dict[str, Score] = {}


def score(name, what, *, tags=(), needs=(), better="higher", usual=False):
    """Registers a score under a name."""

    def add(function):
        SCORES[name] = Score(function, what, frozenset(tags), frozenset(needs), better, usual)
        return function

    return add


def find(name: str, arguments=()) -> Score:
    """The score of this name, which takes these arguments.

    Raises:
        ValueError: there is none, or it does not take one of them.
    """
    if name not in SCORES:
        raise unknown_name("metric", name, SCORES)
    for argument in arguments:
        if argument not in SCORES[name].arguments:
            known = SCORES[name].arguments
            hint = "" if known else f"{name!r} takes none."
            raise unknown_name(f"argument of the metric {name!r}", argument, known, hint)
    return SCORES[name]


# Samples against data, in features.


@score("fid", "Fréchet distance of features", needs=["features"], better="lower", usual=True)
def fid(subject):
    value = metrics.frechet_distance(subject.real_features, subject.fake_features)
    return {"value": value, "protocol": _against(subject)}


@score("kid", "kernel distance of features", needs=["features"], better="lower", usual=True)
def kid(subject, *, subset_size=1000, subsets=100):
    size = min(subset_size, len(subject.real), subject.samples)
    found = metrics.kernel_distance(
        subject.real_features, subject.fake_features, subset_size=size, subsets=subsets, seed=subject.seed
    )
    protocol = {**_against(subject), "subset_size": size, "subsets": subsets}
    return {"value": found.value, "standard_error": found.standard_error, "protocol": protocol}


@score("inception-score", "how sure and how varied the classifier's labels are", needs=["classifier"], usual=True)
def inception_score(subject, *, splits=10):
    splits = min(splits, subject.samples)
    found = metrics.inception_score(subject.fake_probabilities, splits=splits, seed=subject.seed)
    protocol = {**_in_features(subject), "splits": splits}
    return {"value": found.mean, "std": found.std, "protocol": protocol}


@score("precision-recall", "share of samples among data, and of data among samples", needs=["features"], usual=True)
def precision_recall(subject, *, k=3):
    found = metrics.precision_recall(subject.real_features, subject.fake_features, k=k)
    return {"value": found.precision, "recall": found.recall, "protocol": {**_against(subject), "k": k}}


@score("density-coverage", "as precision and recall, robust to outliers", needs=["features"], usual=True)
def density_coverage(subject, *, k=5):
    found = metrics.density_coverage(subject.real_features, subject.fake_features, k=k)
    return {"value": found.density, "coverage": found.coverage, "protocol": {**_against(subject), "k": k}}


@score("labels", "entropy of the classifier's labels of samples, in nats", needs=["classifier"], better="", usual=True)
def labels(subject):
    fake, real = (metrics.label_histogram(p) for p in (subject.fake_probabilities, subject.real_probabilities))
    found = {"value": fake.entropy, "data": real.entropy, "histogram": np.asarray(fake.histogram).tolist()}
    return {**found, "protocol": _against(subject)}


@score(
    "label-agreement", "share of samples classified as asked", tags=["conditional"], needs=["classifier"], usual=True
)
def label_agreement(subject):
    found = {"value": np.mean(subject.fake_probabilities.argmax(1) == subject.asked)}
    if subject.labels is not None:
        read, true = _labelled(subject.real_probabilities.argmax(1), subject.labels)
        found["data"] = np.mean(read == true)
    return {**found, "protocol": _against(subject)}


# Samples against data, in pixels.


@score("sharpness", "variance of the Laplacian of samples", better="", usual=True)
def sharpness(subject):
    fake, real = (metrics.sharpness(images).mean() for images in (subject.fake, _grey(subject.real)))
    with np.errstate(divide="ignore", invalid="ignore"):  # of images without any edge
        return {"value": fake, "data": real, "ratio": np.divide(fake, real), "protocol": _counts(subject)}


@score("memorisation", "distance of samples to the nearest training image", needs=["train"], better="")
def memorisation(subject, *, images=1000):
    fake, real = subject.fake[:images], subject.real[:images]
    train = unit_images(subject.train)
    near, held_out = (metrics.nearest_neighbours(unit_images(x), train, k=1)[0] for x in (fake, real))
    protocol = {"n_fake": len(fake), "n_real": len(real), "n_train": len(subject.train), "space": "pixels in [0, 1]"}
    return {"value": np.mean(near), "data": np.mean(held_out), "protocol": {**protocol, **_drawn(subject)}}


# Likelihood.


@score("elbo", "negative evidence lower bound, nats per image", tags=["likelihood"], better="lower", usual=True)
def elbo(subject):
    """``log_likelihood`` with one latent per image: in expectation just the bound."""
    found = subject.model.log_likelihood(subject.real, 1, seed=subject.seed, **subject.given(subject.labels))
    return {**_mean(-found), "protocol": {"n_real": len(found), "num_samples": 1, "seed": subject.seed}}


@score(
    "nll",
    "negative log-likelihood, nats per image",
    tags=["likelihood"],
    better="lower",
    usual=True,
)
def nll(subject, *, num_samples=200, images=None):
    x, y = subject.real[:images], None if subject.labels is None else subject.labels[:images]
    found = subject.model.log_likelihood(x, num_samples, seed=subject.seed, **subject.given(y))
    return {**_mean(-found), "protocol": {"n_real": len(x), "num_samples": num_samples, "seed": subject.seed}}


@score(
    "ais",
    "the same by annealed importance sampling",
    tags=["likelihood"],
    better="lower",
)
def ais(subject, *, chains=16, temperatures=500, images=100):
    x, y = subject.real[:images], None if subject.labels is None else subject.labels[:images]
    settings = {"chains": chains, "temperatures": temperatures, "seed": subject.seed}
    found = metrics.annealed_importance_sampling(subject.model, x, **settings, **subject.given(y))
    return {**_mean(-found), "protocol": {"n_real": len(x), **settings}}


@score("parzen", "log-likelihood under a Parzen window over samples, nats per image (historical)")
def parzen(subject, *, validation=1000, sigmas=None):
    """The width is chosen on validation images, or where there are none on the first real ones, never reported."""
    chosen_on, reported = subject.validation, subject.real
    if chosen_on is None:
        validation = min(validation, len(reported) // 2)
        chosen_on, reported = reported[:validation], reported[validation:]
    chosen_on = chosen_on[:validation]
    samples, images = subject.fake, unit_images(reported)
    sigma = metrics.parzen_sigma(samples, unit_images(chosen_on), sigmas)
    found = metrics.parzen_log_likelihood(samples, images, sigma)
    protocol = {"n_real": len(images), "n_fake": len(samples), "n_validation": len(chosen_on), **_drawn(subject)}
    return {**_mean(found), "sigma": sigma, "protocol": protocol}


# What latents hold.


@score("active-units", "latents that say something about the image", tags=["encoder"], usual=True)
def active_units(subject, *, threshold=0.01):
    found = metrics.active_units(subject.codes, threshold)
    protocol = {"n_real": len(subject.real), "threshold": threshold}
    return {"value": found, "of": subject.codes.shape[1], "protocol": protocol}


@score("knn", "accuracy of the nearest training code's label", tags=["encoder"], needs=["labels", "train_labels"])
def knn(subject, *, k=1):
    train = _labelled(subject.train_codes, subject.train_labels)
    found = metrics.knn_accuracy(*train, *_labelled(subject.codes, subject.labels), k=k)
    return {"value": found, "protocol": {**_codes(subject), "k": k}}


@score("linear-probe", "accuracy of a linear classifier of codes", tags=["encoder"], needs=["labels", "train_labels"])
def linear_probe(subject):
    train = _labelled(subject.train_codes, subject.train_labels)
    found = metrics.linear_probe(*train, *_labelled(subject.codes, subject.labels))
    return {"value": found, "protocol": _codes(subject)}


@score("mig", "mutual information gap", tags=["encoder"], needs=["factors"], usual=True)
def mig(subject, *, bins=20):
    found = metrics.mig(subject.codes, subject.factors, bins=bins)
    return {"value": found, "protocol": {**_factors(subject), "bins": bins}}


@score("sap", "separated attribute predictability", tags=["encoder"], needs=["factors"], usual=True)
def sap(subject):
    return {"value": metrics.sap(subject.codes, subject.factors), "protocol": _factors(subject)}


@score("dci", "disentanglement, completeness, informativeness", tags=["encoder"], needs=["factors"])
def dci(subject):
    found = metrics.dci(subject.codes, subject.factors)
    beside = {"completeness": found.completeness, "informativeness": found.informativeness}
    return {"value": found.disentanglement, **beside, "protocol": _factors(subject)}


def _labelled(values, labels):
    """Without those whose label is -1, which is none."""
    return values[labels >= 0], labels[labels >= 0]


def _drawn(subject):
    sampler = {} if subject.sampler is None else {"sampler": subject.sampler, "components": subject.components}
    return {"seed": subject.seed, **sampler}


def _counts(subject):
    return {"n_real": len(subject.real), "n_fake": len(subject.fake), **_drawn(subject)}


def _in_features(subject):
    return {"features": subject.network.protocol(), "n_fake": len(subject.fake), **_drawn(subject)}


def _against(subject):
    return {**_in_features(subject), "n_real": len(subject.real)}


def _codes(subject):
    return {"n_real": len(subject.codes), "n_train": len(subject.train_codes)}


def _factors(subject):
    return {"n_real": len(subject.codes), "factors": list(subject.factors)}


def _mean(values):
    return {"value": np.mean(values), "standard_error": np.std(values) / len(values) ** 0.5}


def _grey(images):
    return unit_images(images) if images.dtype == bool else images
