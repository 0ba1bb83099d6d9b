"""The scores that ``genzoo.evaluation`` gives a trained model, by name: what each needs and how it is computed.

A score is a function of an :class:`Evidence` and of its own keyword arguments. It returns ``value``, the number that
counts, what belongs beside it, and in ``protocol`` what the number depends on.
"""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from genzoo import metrics
from genzoo.data.batches import unit_images
from genzoo.errors import unknown_name
from genzoo.evaluation.evidence import Evidence
from genzoo.validation import non_negative, positive_int

Function = TypeVar("Function", bound=Callable)


@dataclasses.dataclass(frozen=True)
class Score:
    """A score: its function, and what a model and the data must have for it.

    Attributes:
        function: ``(evidence, **arguments) -> {"value": ..., "protocol": {...}, ...}``.
        what: one line.
        tags: of the model.
        needs: attributes of the ``Evidence`` that must not be None.
        better: ``"higher"`` or ``"lower"``, or empty where neither is.
        usual: whether it is computed by default, because it is cheap and of general interest.
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

    def check(self, argument: str, value: Any) -> None:
        """Raises a ``ValueError`` for a value that is not of the argument's type."""
        annotation = inspect.signature(self.function).parameters[argument].annotation
        kinds = typing.get_args(annotation) or (annotation,)
        if kinds[0] in KINDS and not (value is None and type(None) in kinds):
            KINDS[kinds[0]](argument, value)

    def lacks(self, evidence: Evidence) -> str | None:
        """Why this score cannot be computed, or None."""
        if "translation" in evidence.model.tags:
            return "the model makes images from images"
        missing = sorted(self.tags - set(evidence.model.tags))
        if missing:
            return f"the model has no {' and no '.join(missing)}"
        wanted = {*self.needs, *(["labels"] if self._conditioned(evidence) else [])}
        missing = [NEEDS_IN_WORDS.get(name, name) for name in sorted(wanted) if getattr(evidence, name) is None]
        return f"there are no {' and no '.join(missing)}" if missing else None

    def _conditioned(self, evidence):
        return "conditional" in evidence.model.tags and self.tags & {"encoder", "likelihood"}


NEEDS_IN_WORDS = {
    "features": "features for this data (name a feature network)",
    "classifier": "feature network that classifies",
    "labels": "labels of the real images",
    "train": "training images",
    "train_labels": "labels of the training images",
    "factors": "known factors (the data set 'sprites' has them)",
}
SCORES: dict[str, Score] = {}
KINDS: dict[Any, Callable] = {int: positive_int, float: non_negative}  # how an argument of this type is checked


def score(
    name: str,
    what: str,
    *,
    tags: Iterable[str] = (),
    needs: Iterable[str] = (),
    better: str = "higher",
    usual: bool = False,
) -> Callable[[Function], Function]:
    """Registers a score under a name."""

    def add(function):
        SCORES[name] = Score(function, what, frozenset(tags), frozenset(needs), better, usual)
        return function

    return add


def find(name: str, arguments: Mapping[str, Any] | Iterable[str] = ()) -> Score:
    """The score of this name, which takes these arguments.

    Raises:
        ValueError: there is none, it does not take one of them, or one is of another type.
    """
    if name not in SCORES:
        raise unknown_name("metric", name, SCORES)
    for argument in arguments:
        if argument not in SCORES[name].arguments:
            known = SCORES[name].arguments
            hint = "" if known else f"{name!r} takes none."
            raise unknown_name(f"argument of the metric {name!r}", argument, known, hint)
        if isinstance(arguments, Mapping):
            SCORES[name].check(argument, arguments[argument])
    return SCORES[name]


# Samples against data, in features.


@score("fid", "Fréchet distance of features", needs=["features"], better="lower", usual=True)
def fid(evidence: Evidence) -> dict[str, Any]:
    value = metrics.frechet_distance(evidence.real_features, evidence.fake_features)
    return {"value": value, "protocol": _against(evidence)}


@score("kid", "kernel distance of features", needs=["features"], better="lower", usual=True)
def kid(evidence: Evidence, *, subset_size: int = 1000, subsets: int = 100) -> dict[str, Any]:
    size = min(subset_size, len(evidence.real), evidence.samples)
    found = metrics.kernel_distance(
        evidence.real_features, evidence.fake_features, subset_size=size, subsets=subsets, seed=evidence.seed
    )
    protocol = {**_against(evidence), "subset_size": size, "subsets": subsets}
    return {"value": found.value, "standard_error": found.standard_error, "protocol": protocol}


@score("inception-score", "how sure and how varied the classifier's labels are", needs=["classifier"], usual=True)
def inception_score(evidence: Evidence, *, splits: int = 10) -> dict[str, Any]:
    splits = min(splits, evidence.samples)
    found = metrics.inception_score(evidence.fake_probabilities, splits=splits, seed=evidence.seed)
    protocol = {**_in_features(evidence), "splits": splits}
    return {"value": found.mean, "std": found.std, "protocol": protocol}


@score("precision-recall", "share of samples among data, and of data among samples", needs=["features"], usual=True)
def precision_recall(evidence: Evidence, *, k: int = 3) -> dict[str, Any]:
    found = metrics.precision_recall(evidence.real_features, evidence.fake_features, k=k)
    return {"value": found.precision, "recall": found.recall, "protocol": {**_against(evidence), "k": k}}


@score("density-coverage", "as precision and recall, robust to outliers", needs=["features"], usual=True)
def density_coverage(evidence: Evidence, *, k: int = 5) -> dict[str, Any]:
    found = metrics.density_coverage(evidence.real_features, evidence.fake_features, k=k)
    return {"value": found.density, "coverage": found.coverage, "protocol": {**_against(evidence), "k": k}}


@score("labels", "entropy of the classifier's labels of samples, in nats", needs=["classifier"], better="", usual=True)
def labels(evidence: Evidence) -> dict[str, Any]:
    fake, real = (metrics.label_histogram(p) for p in (evidence.fake_probabilities, evidence.real_probabilities))
    found = {"value": fake.entropy, "data": real.entropy, "histogram": np.asarray(fake.histogram).tolist()}
    return {**found, "protocol": _against(evidence)}


@score(
    "label-agreement", "share of samples classified as asked", tags=["conditional"], needs=["classifier"], usual=True
)
def label_agreement(evidence: Evidence) -> dict[str, Any]:
    found = {"value": np.mean(evidence.fake_probabilities.argmax(1) == evidence.asked)}
    if evidence.labels is not None:
        read, true = _labelled(evidence.real_probabilities.argmax(1), evidence.labels)
        found["data"] = np.mean(read == true)
    return {**found, "protocol": _against(evidence)}


# Samples against data, in pixels.


@score("sharpness", "variance of the Laplacian of samples", better="", usual=True)
def sharpness(evidence: Evidence) -> dict[str, Any]:
    fake, real = (metrics.sharpness(images).mean() for images in (evidence.fake, _grey(evidence.real)))
    with np.errstate(divide="ignore", invalid="ignore"):  # of images without any edge
        return {"value": fake, "data": real, "ratio": np.divide(fake, real), "protocol": _counts(evidence)}


@score("memorisation", "distance of samples to the nearest training image", needs=["train"], better="")
def memorisation(evidence: Evidence, *, images: int = 1000) -> dict[str, Any]:
    fake, real = evidence.fake[:images], evidence.real[:images]
    train = unit_images(evidence.train)
    near, held_out = (metrics.nearest_neighbours(unit_images(x), train, k=1)[0] for x in (fake, real))
    protocol = {"n_fake": len(fake), "n_real": len(real), "n_train": len(evidence.train), "space": "pixels in [0, 1]"}
    return {"value": np.mean(near), "data": np.mean(held_out), "protocol": {**protocol, **_drawn(evidence)}}


# Likelihood.


@score("elbo", "negative evidence lower bound, nats per image", tags=["likelihood"], better="lower", usual=True)
def elbo(evidence: Evidence) -> dict[str, Any]:
    """``log_likelihood`` with one latent per image: in expectation just the bound."""
    found = evidence.model.log_likelihood(evidence.real, 1, seed=evidence.seed, **evidence.given(evidence.labels))
    return {**_mean(-found), "protocol": {"n_real": len(found), "num_samples": 1, "seed": evidence.seed}}


@score(
    "nll",
    "negative log-likelihood, nats per image",
    tags=["likelihood"],
    better="lower",
    usual=True,
)
def nll(evidence: Evidence, *, num_samples: int = 200, images: int | None = None) -> dict[str, Any]:
    x, y = evidence.real[:images], None if evidence.labels is None else evidence.labels[:images]
    found = evidence.model.log_likelihood(x, num_samples, seed=evidence.seed, **evidence.given(y))
    return {**_mean(-found), "protocol": {"n_real": len(x), "num_samples": num_samples, "seed": evidence.seed}}


@score(
    "ais",
    "negative log-likelihood by annealed importance sampling, nats per image",
    tags=["likelihood"],
    better="lower",
)
def ais(evidence: Evidence, *, chains: int = 16, temperatures: int = 500, images: int | None = 100) -> dict[str, Any]:
    x, y = evidence.real[:images], None if evidence.labels is None else evidence.labels[:images]
    settings = {"chains": chains, "temperatures": temperatures, "seed": evidence.seed}
    found = metrics.annealed_importance_sampling(evidence.model, x, **settings, **evidence.given(y))
    return {**_mean(-found), "protocol": {"n_real": len(x), **settings}}


@score("parzen", "log-likelihood under a Parzen window over samples, nats per image (historical)")
def parzen(evidence: Evidence, *, validation: int = 1000, sigmas: Iterable[float] | None = None) -> dict[str, Any]:
    """The width is chosen on validation images, or where there are none on the first real ones, never reported."""
    chosen_on, reported = evidence.validation, evidence.real
    if chosen_on is None:
        validation = min(validation, len(reported) // 2)
        chosen_on, reported = reported[:validation], reported[validation:]
    chosen_on = chosen_on[:validation]
    samples, images = evidence.fake, unit_images(reported)
    sigma = metrics.parzen_sigma(samples, unit_images(chosen_on), sigmas)
    found = metrics.parzen_log_likelihood(samples, images, sigma)
    protocol = {"n_real": len(images), "n_fake": len(samples), "n_validation": len(chosen_on), **_drawn(evidence)}
    return {**_mean(found), "sigma": sigma, "protocol": protocol}


# What is read from images.


@score(
    "errors", "images that are classified wrongly", tags=["classifier"], needs=["labels"], better="lower", usual=True
)
def errors(evidence: Evidence) -> dict[str, Any]:
    read, true = _labelled(evidence.model.classify(evidence.real).argmax(1), evidence.labels)
    return {"value": int(np.sum(read != true)), "of": len(true), "protocol": {"n_real": len(true)}}


# What latents hold.


@score("active-units", "latents that say something about the image", tags=["encoder"], usual=True)
def active_units(evidence: Evidence, *, threshold: float = 0.01) -> dict[str, Any]:
    found = metrics.active_units(evidence.codes, threshold)
    protocol = {"n_real": len(evidence.real), "threshold": threshold}
    return {"value": found, "of": evidence.codes.shape[1], "protocol": protocol}


@score("knn", "accuracy of the nearest training code's label", tags=["encoder"], needs=["labels", "train_labels"])
def knn(evidence: Evidence, *, k: int = 1, layer: str | None = None) -> dict[str, Any]:
    found = metrics.knn_accuracy(*_to_read(evidence, layer), k=k)
    return {"value": found, "protocol": {**_codes(evidence, layer), "k": k}}


@score("linear-probe", "accuracy of a linear classifier of codes", tags=["encoder"], needs=["labels", "train_labels"])
def linear_probe(evidence: Evidence, *, layer: str | None = None) -> dict[str, Any]:
    return {"value": metrics.linear_probe(*_to_read(evidence, layer)), "protocol": _codes(evidence, layer)}


@score("mig", "mutual information gap", tags=["encoder"], needs=["factors"], usual=True)
def mig(evidence: Evidence, *, bins: int = 20) -> dict[str, Any]:
    found = metrics.mig(evidence.codes, evidence.factors, bins=bins)
    return {"value": found, "protocol": {**_factors(evidence), "bins": bins}}


@score("sap", "separated attribute predictability", tags=["encoder"], needs=["factors"], usual=True)
def sap(evidence: Evidence) -> dict[str, Any]:
    return {"value": metrics.sap(evidence.codes, evidence.factors), "protocol": _factors(evidence)}


@score("dci", "disentanglement, completeness, informativeness", tags=["encoder"], needs=["factors"])
def dci(evidence: Evidence) -> dict[str, Any]:
    found = metrics.dci(evidence.codes, evidence.factors)
    beside = {"completeness": found.completeness, "informativeness": found.informativeness}
    return {"value": found.disentanglement, **beside, "protocol": _factors(evidence)}


def _labelled(values, labels):
    """Without those that have no label (-1)."""
    return values[labels >= 0], labels[labels >= 0]


def _drawn(evidence):
    sampler = {} if evidence.sampler is None else {"sampler": evidence.sampler, "components": evidence.components}
    return {"seed": evidence.seed, **sampler}


def _counts(evidence):
    return {"n_real": len(evidence.real), "n_fake": len(evidence.fake), **_drawn(evidence)}


def _in_features(evidence):
    return {"features": evidence.network.protocol(), "n_fake": len(evidence.fake), **_drawn(evidence)}


def _against(evidence):
    return {**_in_features(evidence), "n_real": len(evidence.real)}


def _to_read(evidence, layer):
    """Representations and labels, of the training images and of the real ones, where there are labels."""
    train, real = evidence.representations(layer)
    return *_labelled(train, evidence.train_labels), *_labelled(real, evidence.labels)


def _codes(evidence, layer):
    protocol = {"n_real": len(evidence.real), "n_train": len(evidence.train)}
    return protocol if layer is None else {**protocol, "layer": layer}


def _factors(evidence):
    return {"n_real": len(evidence.codes), "factors": list(evidence.factors)}


def _mean(values):
    return {"value": np.mean(values), "standard_error": np.std(values) / len(values) ** 0.5}


def _grey(images):
    return unit_images(images) if images.dtype == bool else images
