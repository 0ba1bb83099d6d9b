"""The model under test: small copies of it, data that its tags ask for, and one trained copy that checks share."""

import contextlib
import functools
import random
import unittest

import keras
import numpy as np
from keras import ops

from genzoo import registry

SMALL = {"hidden_dim": 16, "latent_dim": 4, "filters": 4, "num_samples": 5}
BATCH = 8  # everywhere the same, because each further shape would be one more compilation


class Seen(AssertionError):
    """What a check saw instead of what the contract says."""


class Subject:
    """A model under test.

    Args:
        model: a name, a class, or an instance that serves as a pattern.
        **config: options beside the class' ``test_config``.
    """

    def __init__(self, model, **config):
        if isinstance(model, (str, type)):
            spec = registry.spec(model).resolve() if isinstance(model, str) else None
            self.cls = spec.load() if spec else model
            self.name = spec.name if spec else model.__name__
            if ":" in self.name:
                registry.check_is_model(self.name, self.cls)
            registry.check_options(self.name, self.cls, config)  # the caller's mistake, and not the model's
            own = self.cls.options()
            sizes = {option: size for option, size in SMALL.items() if option in own}
            self.tags, self.image_shape = frozenset(self.cls.tags), tuple(self.cls.test_image_shape)
            if own.get("num_classes", 0) is None and self.tags & {"conditional", "classifier"}:
                sizes["num_classes"] = 10  # generators do not tell it
            self.config = {"seed": 0, **(spec.config if spec else {}), **sizes, **self.cls.test_config, **config}
        else:
            self.cls, self.name, self.tags = type(model), model.name, frozenset(model.tags)
            seed = 0 if model.seed is None else model.seed
            self.config = {**model.get_config(), "seed": seed, **config}
            self.image_shape = model.image_shape or tuple(model.test_image_shape)
        self._from = self.cls.from_config if isinstance(model, keras.Model) else lambda config: self.cls(**config)
        self._failure = None
        self.causes: dict[str, str] = {}  # of checks that were run: the one that failed, or nothing
        self.forget()

    def new(self, **changes):
        """A fresh copy, compiled."""
        model = self.make(**changes)
        model.compile()
        return model

    def make(self, **changes):
        """A fresh copy, not compiled."""
        return self._from({**self.config, **changes})

    def built(self, **changes):
        """A fresh copy that has its networks."""
        model = self.new(**changes)
        model.build((None, *self.image_shape))
        return model

    def data(self, n: int = 2 * BATCH):
        """uint8 images and what the model needs beside them: class ids, other images, or None."""
        rng = np.random.default_rng(0)
        size = max(n, 2 * BATCH)
        x, other = rng.integers(0, 256, (2, size, *self.image_shape), dtype="uint8")
        ids = self.label_ids
        y = other if "translation" in self.tags else None if ids is None else np.resize([*ids], size)
        return (x[:n], y if y is None else y[:n])

    def fit(self, model, n: int = 2 * BATCH, **options):
        """Trains on ``n`` images; two batches of eight are an epoch."""
        return model.fit(*self.data(n), batch_size=BATCH, verbose=0, **options)

    def images(self, model, n: int = BATCH, seed=None, **options):
        """What the model makes: samples, or translations of images."""
        if "translation" in self.tags:
            return model.translate(self.data(n)[0], seed=seed, **options)
        return model.sample(n, seed=seed, **options)

    def labels(self, n: int = 2 * BATCH):
        """The argument that verbs of conditional models need."""
        return {"labels": np.resize([i for i in self.label_ids if i >= 0], n)} if self.conditional else {}

    @functools.cached_property
    def label_ids(self):
        """The model's, read once: to ask a model is to make one."""
        return self.make().label_ids

    @property
    def conditional(self):
        return "conditional" in self.tags

    # One trained copy for all checks that leave it as it was, or put it back.

    def forget(self) -> None:
        """Drops the shared copy, after what may have left it in any state."""
        self._trained = None

    def trained(self):
        """The shared copy, as it was after its first epoch."""
        self._prepare()
        restore(self._trained.model, self._trained.after)
        return self._trained.model

    def untrained(self):
        """The shared copy, as it was before its first epoch, but with its step compiled."""
        self._prepare()
        restore(self._trained.model, self._trained.before)
        return self._trained.model

    def first_epoch(self):
        """What the shared copy's first epoch was like."""
        self._prepare()
        return self._trained

    def _prepare(self):
        if self._failure is not None:
            # Only the check of training itself tells why it fails; the others could not but repeat it.
            raise unittest.SkipTest("not run: training fails, see fits_one_batch")
        if self._trained is None:
            try:
                trained = FirstEpoch(self)
                trained.expect_finite()
                self._trained = trained
            except Exception as error:
                self._failure = error
                self._prepare()

    @property
    def failure(self):
        """The exception that training the shared copy raised, or None."""
        with contextlib.suppress(Exception):
            self._prepare()
        return self._failure


class FirstEpoch:
    """A copy that has trained for two batches, and what happened meanwhile."""

    def __init__(self, subject):
        draws = global_random_state()
        self.model = subject.built()
        self.before = state_of(self.model)
        self.history = subject.fit(self.model).history
        self.drew_globally = [name for name, state in global_random_state().items() if state != draws[name]]
        self.counts = {m.name: float(ops.convert_to_numpy(m.count)) for m in self.model.metrics}
        self.after = state_of(self.model)

    def expect_finite(self) -> None:
        """Raises an error for losses and weights that are NaN or infinite: no later training could be compared."""
        for name, values in self.history.items():
            if not np.isfinite(values).all():
                raise Seen(f"after two batches {name} is {values[-1]}.")
        for variable in self.model.weights:
            if not np.isfinite(ops.convert_to_numpy(ops.cast(variable, "float32"))).all():
                raise Seen(f"after two batches {variable.path} has values that are not finite.")


def state_of(model) -> list[np.ndarray]:
    """Everything of a model that a file holds, as arrays."""
    return [np.array(ops.convert_to_numpy(v)) for v in variables_of(model)]


def variables_of(model) -> list:
    """Weights, random state, metrics and optimizers."""
    return [*model.variables, *(model.optimizer.variables if model.compiled else ())]


def restore(model, state: list) -> None:
    """Puts back what ``state_of`` has read."""
    for variable, value in zip(variables_of(model), state, strict=True):
        variable.assign(value)


def equal(left: list, right: list) -> bool:
    """Whether two lists of arrays are the same, bit for bit."""
    return len(left) == len(right) and all(map(np.array_equal, left, right))


def weights_of(model) -> list[np.ndarray]:
    return [np.array(w) for w in model.get_weights()]


def global_random_state() -> dict:
    """Of the generators that anybody in the process may use."""
    _, keys, position, *_ = np.random.get_state()
    return {"random": hash(random.getstate()), "np.random": (hash(keys.tobytes()), position)}


_latest: list = [None, None]  # the last model that was checked, and its subject: checks come model by model


def of(model) -> Subject:
    """The subject for a model; the same one as long as one and the same model is checked."""
    if isinstance(model, Subject):
        return model
    if not (isinstance(model, (str, keras.Model)) or (isinstance(model, type) and issubclass(model, keras.Model))):
        raise TypeError(f"Expected a model's name, class or instance. Received: {model!r}")
    meant = registry.spec(model).resolve() if isinstance(model, str) else model  # a name may mean another class by now
    if _latest[0] != meant:
        _latest[:] = meant, Subject(model)
    return _latest[1]
