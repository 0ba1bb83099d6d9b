"""``evaluate``: scores of a trained model, each with its protocol, which says what the number depends on."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from genzoo.annotations import Array, Data
from genzoo.data.batches import ImageBatches, as_numpy, check_images
from genzoo.errors import not_built
from genzoo.evaluation import provenance, scores
from genzoo.evaluation.evidence import Evidence
from genzoo.model import GenerativeModel
from genzoo.validation import natural_number, positive_int

FEATURES = {"mnist": "mnist", "fashion_mnist": "fashion_mnist"}  # of which data set each network knows the classes


def evaluate(
    model: GenerativeModel,
    real: Data,
    *,
    metrics: Iterable[str] | None = None,
    samples: int = 10_000,
    features: Any = None,
    seed: int = 0,
    split: str | None = None,
    labels: Array | None = None,
    train: Data = None,
    validation: Array | None = None,
    factors: Mapping[str, Any] | None = None,
    sampler: str | None = None,
    arguments: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Scores of a trained model on images that it has not seen.

    Args:
        model: a built ``GenerativeModel``.
        real: images ``(n, height, width, channels)`` of the size that the model makes, uint8, bool or float in [0, 1];
            or a ``genzoo.data`` set, which brings its labels.
        metrics: names of ``genzoo.evaluation.scores.SCORES``; by default the usual ones among those that model and
            data allow.
        samples: how many images to sample, where a score needs samples.
        features: what the scores in feature space see: ``"mnist"``, ``"fashion_mnist"``, ``"inception"``, a Keras model
            or a function; None for no such scores.
        seed: natural number that fixes samples and every estimate.
        split: name of the part of the data that ``real`` is, for the protocol.
        labels: class ids of ``real``.
        train: the training images, or a data set of them with labels: for nearest neighbours.
        validation: images, neither trained on nor reported, to choose the Parzen window's width by.
        factors: dict from name to the true factor of every real image, for the scores of disentanglement.
        sampler: of the latents, as for ``model.sample``; by default the prior.
        arguments: dict from a metric's name to keyword arguments of its own, such as ``{"nll": {"num_samples": 500}}``.

    Returns:
        Dict from name to ``{"value": ..., "protocol": {...}}`` and what else the score says. All of it is plain JSON: a
        number that is not finite is None, with a ``"reason"``.

    Raises:
        ValueError: unknown metric or argument, one that the model or the data do not allow, images of another size.

    Example:
    >>> import genzoo
    >>> digits = genzoo.data.load("digits", "test")
    >>> model = genzoo.get("vae", latent_dim=2, hidden_dim=16, seed=0)
    >>> history = model.fit(genzoo.data.load("digits"), verbose=0)
    >>> scores = evaluate(model, digits, metrics=["sharpness", "elbo"], samples=100)
    >>> scores["sharpness"]["protocol"]["n_real"], scores["sharpness"]["protocol"]["n_fake"]
    (359, 100)
    """
    metrics, arguments = _checked(metrics, arguments)
    settings = {"samples": positive_int("samples", samples), "features": features, "factors": factors}
    settings |= {"seed": natural_number("seed", seed), "sampler": sampler}
    evidence = _evidence(model, real, labels, train, validation, settings)
    made_with = {"split": split, "backend": keras.backend.backend(), "versions": provenance.versions()}
    names = _possible(evidence, metrics, arguments)
    return {name: _computed(evidence, name, arguments.get(name, {}), made_with) for name in names}


def default_features(data: str) -> str | None:
    """The feature network that knows the classes of a data set, or None."""
    return FEATURES.get(data.partition(":")[0])


def _checked(metrics, arguments):
    """The names of metrics as a list, or None, and their arguments, if all of them are known."""
    arguments = dict(arguments or {})
    if metrics is not None:
        names = [metrics] if isinstance(metrics, str) else metrics
        if not isinstance(names, Iterable) or not (metrics := list(dict.fromkeys(names))):
            raise ValueError(f"Expected the names of metrics, or None for the usual ones. Received: {names!r}")
    for name in {*(metrics or []), *arguments}:
        scores.find(name, arguments.get(name, ()))
    return metrics, arguments


def _evidence(model, real, labels, train, validation, settings):
    """The model beside its images, if they fit together."""
    if not isinstance(model, GenerativeModel):
        raise ValueError(f"Expected a genzoo model. Received: {type(model).__name__}")
    for data in (real, train, validation):
        model.check_class_names(data)
    real, own_labels = _arrays(real)
    labels = own_labels if labels is None else np.asarray(labels)
    train, train_labels = (None, None) if train is None else _arrays(train)
    validation = None if validation is None else _arrays(validation)[0]
    _check_size(model, real)
    if labels is not None and len(labels) != len(real):
        raise ValueError(f"Expected a label for each of {len(real)} images. Received: {len(labels)} labels.")
    return Evidence(model, real, labels, train, train_labels, validation, **settings)


def _computed(evidence, name, arguments, made_with):
    result = scores.SCORES[name].function(evidence, **arguments)
    protocol = result.pop("protocol")
    return {**_plain(result), "protocol": {**protocol, **made_with}}


def _possible(evidence, metrics, arguments):
    """The names to compute: those asked for, or the usual ones that can be."""
    if metrics is None:
        usual = [name for name, score in scores.SCORES.items() if score.usual or name in arguments]
        return [name for name in usual if scores.SCORES[name].lacks(evidence) is None]
    for name in metrics:
        if reason := scores.SCORES[name].lacks(evidence):
            raise ValueError(f"The metric {name!r} cannot be computed: {reason}. Leave it out.")
    return metrics


def _arrays(data):
    """``(images, labels or None)`` of a data set in memory or of an array."""
    if isinstance(data, ImageBatches):
        return np.asarray(data.still_images), None if data.labels is None else np.asarray(data.labels)
    if not hasattr(data, "shape"):
        raise ValueError(
            f"Expected images as one array, or a genzoo.data set that fits in memory. Received: {type(data).__name__}. "
            "Choose a part of it, such as split='test[:10000]'."
        )
    return as_numpy(data), None


def _check_size(model, real):
    if model.image_shape is None:
        raise not_built()
    check_images(real, whole=True)
    if tuple(real.shape[1:]) != tuple(model.image_shape):
        raise ValueError(
            f"The model makes images of shape {tuple(model.image_shape)}. Received: real images of shape "
            f"{tuple(real.shape[1:])}. Choose its own data, or resize: image_size={model.image_shape[0]}"
        )


def _plain(result):
    """A score as JSON takes it: Python's numbers, and None with a reason for those that are not finite."""
    plain, reasons = {}, []
    for name, value in result.items():
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, float) and not math.isfinite(value):
            reasons.append(f"{name} is {value}")
            value = None
        plain[name] = value
    return {**plain, "reason": ", ".join(reasons)} if reasons else plain
