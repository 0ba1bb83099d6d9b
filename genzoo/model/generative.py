"""``GenerativeModel``: players, lazy build from data, training."""

import contextlib
import contextvars
import types
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from genzoo import engine
from genzoo.annotations import Array, Data, ImageShape, Tensor
from genzoo.data.batches import (
    check_images,
    check_labels,
    is_array,
    to_unit_interval,
)
from genzoo.layers import flattened
from genzoo.model.changes import Changes
from genzoo.model.companions import short_epoch_allowed
from genzoo.model.exports import Exports
from genzoo.model.files import State
from genzoo.model.inputs import Inputs, check_extent, check_fit, check_verbose
from genzoo.model.labels import Labels
from genzoo.model.players import assign_optimizers
from genzoo.model.samplers import Samplers
from genzoo.model.steps import Steps
from genzoo.model.verbs import Verbs
from genzoo.validation import flag, natural_number, positive_int, refuse_weights

# The validation data of the ``fit`` that is running, which Keras hands to ``evaluate`` after every epoch.
_validated: contextvars.ContextVar[Any] = contextvars.ContextVar("genzoo_validation_data", default=None)


@contextlib.contextmanager
def _validating(data):
    token = _validated.set(data)
    try:
        yield
    finally:
        _validated.reset(token)


class GenerativeModel(Changes, engine.TrainingStep, Steps, Verbs, Inputs, Labels, Exports, State, keras.Model):
    """A Keras model that any number of players train, on every backend, from one ``step``.

    A subclass declares its ``players`` and writes ``build_networks``, ``default_optimizers`` and either
    ``compute_loss(x, y)`` (one player) or ``step(x, y)`` (several). Inside them networks are called plainly,
    ``self.generator(z)``: they train in ``fit`` and infer in ``evaluate`` by themselves. ``x`` arrives as float32 in
    [0, 1], of shape ``(batch, height, width, channels)``. Only what runs inside ``minimize`` is differentiated.

    Args:
        seed: natural number that fixes initial weights, noise, dropout and shuffling, or None for fresh ones.
        **kwargs: ``name``, ``dtype`` and ``trainable`` of a ``keras.Model``. ``dtype="mixed_bfloat16"`` works,
            ``float16`` is refused.

    Attributes:
        players: dict from player name to the names of the networks whose weights it moves. Players may overlap.
        logs: dict from the name of each further metric to what it measures.
        tags: what the model can do: ``"encoder"``, ``"likelihood"``, ``"conditional"``, ``"classifier"``,
            ``"translation"``, and its family. The networks of a conditional model take the labels too; it has
            ``num_classes``, None until the data tell it. So has a classifier, which needs labels in training only, and
            there -1 means none. One that translates learns from pairs: its ``y`` are images, of the shape and in the
            range of ``x``.
        gaussian_prior: whether ``latents`` are standard normal, so that ``sample`` can cool and truncate them.
        batch_size: images per training batch unless ``fit`` is told otherwise.
        test_config: for ``genzoo.testing``: options of the smallest model worth checking, beside the usual small sizes.
        test_image_shape: for ``genzoo.testing``: the size of its images, ``(height, width, channels)``.
        image_shape: ``(height, width, channels)`` once built, else None.
        latent_dim: size of ``latents``; a subclass sets it.
    """

    players: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    logs: ClassVar[Mapping[str, str]] = {}
    tags: ClassVar[frozenset[str]] = frozenset()
    gaussian_prior: ClassVar[bool] = True
    batch_size: ClassVar[int] = 128
    test_config: ClassVar[Mapping[str, Any]] = {}
    test_image_shape: ClassVar[ImageShape] = (8, 8, 1)

    latent_dim: int

    def __init__(self, *, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if "float16" in (self.compute_dtype, self.variable_dtype):
            raise ValueError(
                "float16 needs loss scaling, which several players cannot share. "
                f"Received: dtype={self.dtype_policy.name!r}. Use 'mixed_bfloat16' or 'float32'."
            )
        self.seed = None if seed is None else natural_number("seed", seed)
        # Spread, because on torch neighbouring seeds would give the same noise one draw apart.
        spread = None if seed is None else int(np.random.SeedSequence(self.seed).generate_state(1)[0] >> 1)
        self.seed_generator = keras.random.SeedGenerator(spread)
        self.image_shape: ImageShape | None = None
        self._trackers = {
            name: keras.metrics.Mean(name=name) for name in (*map(self.loss_name, self.players), *self.logs)
        }
        self._compiled_verbs, self._samplers = types.SimpleNamespace(), Samplers()
        self._compiled_for, self._trained = "", []

    # What a model writes.

    def build_networks(self, image_shape: ImageShape) -> None:
        """Makes the networks for images of this shape, as attributes named in ``players``."""
        raise NotImplementedError(f"{type(self).__name__} must define build_networks(image_shape).")

    def default_optimizers(self) -> Mapping[str, keras.optimizers.Optimizer]:
        """The paper's optimizer for every player."""
        raise NotImplementedError(f"{type(self).__name__} must define default_optimizers().")

    def step(self, x: Tensor, y: Tensor | None = None) -> None:
        """One training step. By default the only player minimises ``compute_loss``."""
        (player,) = self.players
        self.minimize(lambda: self.compute_loss(x, y), player)

    def compute_loss(self, x: Tensor | None = None, y: Tensor | None = None) -> Tensor:
        """The objective of a model with one player: a scalar, or one value per image."""
        raise NotImplementedError(f"{type(self).__name__} must define compute_loss(x, y) or step(x, y).")

    def decode_step(self, z: Tensor, *y: Any, **options: Any) -> Tensor:
        """Tensor of latents ``(batch, latent_dim)`` to images in [0, 1]; ``decode`` is its batched verb.

        A conditional model has ``y``, the labels, as its second argument.
        """
        raise NotImplementedError(f"{type(self).__name__} must define decode_step(z, y).")

    def encode_step(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Tensor of images in [0, 1] to latents ``(batch, latent_dim)``; ``encode`` is its batched verb."""
        raise NotImplementedError(f"{type(self).__name__} must define encode_step(x, y).")

    def posterior_step(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tensor of images in [0, 1] to mean and standard deviation of q(z | x), each ``(batch, latent_dim)``.

        By default those of an encoder without noise: its code, and 0.
        """
        code = self.encode_step(x, y)
        return code, ops.zeros_like(code)

    def translate_step(self, x: Tensor, z: Tensor) -> Tensor:
        """Tensor of images in [0, 1] and of ``latents``, their noise, to images; ``translate`` is its batched verb.

        The noise is an argument, so that one seed gives one translation; ``latent_dim`` is 0 where there is none.
        """
        raise NotImplementedError(f"{type(self).__name__} must define translate_step(x, z).")

    def classify_step(self, x: Tensor) -> Tensor:
        """Tensor of images in [0, 1] to class probabilities ``(batch, num_classes)``; ``classify`` is its verb."""
        raise NotImplementedError(f"{type(self).__name__} must define classify_step(x).")

    def latents(self, n: int, rng: np.random.Generator, labels: np.ndarray | None = None) -> np.ndarray:
        """The same prior in NumPy, for ``sample``: one seed gives one set of latents, whatever the backend."""
        return rng.standard_normal((n, self.latent_dim), dtype="float32")

    # Building and compiling.

    def build(self, input_shape: Sequence[Any]) -> None:
        """Makes networks and optimizer state for batches of shape ``(batch, height, width, channels)``."""
        sizes = input_shape[1:] if isinstance(input_shape, Sequence) and len(input_shape) == 4 else ()
        if not sizes or any(not isinstance(size, Integral) or size < 1 for size in sizes):
            raise ValueError(
                "Expected an input shape (batch, height, width, channels) with known sizes, each at least 1. "
                f"Received: input_shape={input_shape!r}"
            )
        height, width, channels = map(int, sizes)
        image_shape = (height, width, channels)
        if self.image_shape is not None:
            if image_shape == self.image_shape:
                return
            raise ValueError(
                f"The model is built for images of shape {self.image_shape}. Received: {image_shape}. "
                "Make another model for them: genzoo.get(...)."
            )
        self._check_classes_known()
        with self._initial_state():
            self.build_networks(image_shape)
            engine.pin_seeds(flattened(self))
        if not self.trainable:
            for layer in flattened(self):
                layer.trainable = False
        self.image_shape = image_shape
        self._flags_as_built = self.trainable_flags()
        self._compiled_verbs = types.SimpleNamespace()
        if self.compiled:
            self._build_optimizer()

    def build_from_config(self, config: dict[str, Any] | None) -> None:
        if config:
            self.build(config["input_shape"])
            self.set_trainable_flags(config.get("trainable", {}))
            self._set_classes(config.get("classes", {}))

    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        *,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
    ) -> None:
        """Keras' ``compile``, with an optimizer per player.

        Args:
            optimizer: None for the paper's, a dict such as ``{"generator": keras.optimizers.Adam(2e-4)}`` (the other
                players keep theirs), or one optimizer or name for all players, each with its own state.
            loss, metrics: not for generative models, which bring their own.
            run_eagerly, steps_per_execution, jit_compile: as in ``keras.Model.compile``.
        """
        if loss is not None or metrics is not None:
            raise ValueError(
                f"{type(self).__name__} brings its paper's loss and its own metrics. "
                f"Received: loss={loss!r}, metrics={metrics!r}. Pass only an optimizer."
            )
        positive_int("steps_per_execution", steps_per_execution)
        flag("run_eagerly", run_eagerly)
        if jit_compile != "auto":
            flag("jit_compile", jit_compile)
        options = {"run_eagerly": run_eagerly, "steps_per_execution": steps_per_execution, "jit_compile": jit_compile}
        made = self.steps_made
        super().compile(assign_optimizers(tuple(self.players), optimizer, self.default_optimizers), **options)
        self.optimizer.iterations.assign(made)  # schedules and averages go on with a new optimizer
        self._compile_options = options  # as given: "auto" means something else on the backend that loads the file
        if self.image_shape is not None and not self.optimizer.built:
            self._build_optimizer()

    def get_compile_config(self) -> dict[str, Any]:
        if not self.compiled:
            return {}
        return keras.saving.serialize_keras_object({"optimizer": self.optimizer, **self._compile_options})

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    def _build_optimizer(self):
        self.optimizer.build(self._player_variables())

    def _player_variables(self):
        """By player, what its optimizer keeps state of: all that may train, layers that are frozen now among it."""

        def variables(networks):
            found = [v for network in networks for v in _may_train(getattr(self, network))]
            return list({id(v): v for v in found}.values())

        return {player: variables(networks) for player, networks in self.players.items()}

    @contextlib.contextmanager
    def _initial_state(self):
        """New layers take this model's dtype policy, and their seeds from this model's seed."""
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.dtype_policy)
        try:
            with engine.seeded(self.seed):
                yield
        finally:
            keras.config.set_dtype_policy(policy)

    # Training.

    @property
    def steps_made(self) -> int:
        """Training steps so far."""
        return int(ops.convert_to_numpy(self.optimizer.iterations)) if self.compiled else 0

    def fit(
        self,
        x: Data = None,
        y: Array | None = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Data = None,
        shuffle: bool = True,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Keras' ``fit``, on images.

        Args:
            x: images as one array (uint8 in [0, 255], bool, or float in [0, 1]), or batches of them: a
                ``genzoo.data`` set, ``tf.data.Dataset``, torch ``DataLoader``, ``keras.utils.PyDataset`` or generator
                that yields ``x``, ``(x, y)`` or a dict with ``image`` and maybe ``label``.
            y: integer class ids, if ``x`` is an array; the target images for a model that translates. Models that
                take no labels ignore them.
            batch_size: images per batch if ``x`` is an array; by default the model's own ``batch_size``.
            **kwargs: everything else that Keras' ``fit`` takes, but sample and class weights.

        Returns:
            Keras' ``History``: ``loss``, or ``<player>_loss`` for each of several players, and what the model logs.

        Raises:
            ValueError: images or labels out of range, NaN, of a wrong shape or dtype, labels missing (in an array; of a
                data set, in its first batch); no data.
        """
        refuse_weights(kwargs)
        check_fit(epochs, verbose, callbacks, shuffle, kwargs)
        images = self._as_images(x, y, batch_size)
        if validation_split:
            if images is None:
                raise ValueError("`validation_split` works on arrays. Pass `validation_data` beside a data set.")
            if validation_data is None:
                images, validation_data = images.split(validation_split)
        endless = kwargs.get("steps_per_epoch") is not None
        x = x if images is None else images
        data, shuffle, callbacks = self._training_data(x, batch_size, shuffle, endless, callbacks)
        self.follow_changes()
        self._note_trained(x)
        if validation_data is not None:
            kwargs.setdefault("validation_batch_size", batch_size)
            validation_data = self._validation_data(validation_data, kwargs["validation_batch_size"])
        with _validating(validation_data), engine.weights_kept(self), short_epoch_allowed(callbacks):
            return super().fit(
                data, epochs=epochs, verbose=verbose, callbacks=callbacks, validation_data=validation_data,
                shuffle=shuffle, **kwargs,
            )  # fmt: skip

    def evaluate(
        self,
        x: Data = None,
        y: Array | None = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        **kwargs: Any,
    ) -> Any:
        """Keras' ``evaluate``. Changes nothing, random state included, so the same call gives the same numbers."""
        refuse_weights(kwargs)
        check_extent(kwargs)
        check_verbose(verbose)
        if x is None or x is not _validated.get():  # which `fit` has prepared
            x = self._evaluation_data(x, y, batch_size)
        with self._random_state_kept(), engine.weights_kept(self):
            return super().evaluate(x, verbose=verbose, **kwargs)

    def predict(self, x: Data, *args: Any, **kwargs: Any) -> np.ndarray:
        """Keras' ``predict``: what ``call`` gives. Changes nothing, so the same call gives the same images."""
        if "conditional" in self.tags and (isinstance(x, (list, tuple)) or is_array(x)):
            check_labels(self._pair(x)[1], self._classes, type(self).__name__)
        if self.tags & {"encoder", "translation"} and is_array(x):
            check_images(x, self.image_shape)
        with self._random_state_kept(), engine.weights_kept(self):
            return super().predict(x, *args, **kwargs)

    def train_on_batch(self, x: Array, y: Array | None = None, **kwargs: Any) -> Any:
        self._check_batch((x, y))
        self._note_trained(None, y)
        return super().train_on_batch(x, y, **kwargs)

    def test_on_batch(self, x: Array, y: Array | None = None, **kwargs: Any) -> Any:
        self._check_batch((x, y))
        with self._random_state_kept():
            return super().test_on_batch(x, y, **kwargs)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return list(self._trackers.values())

    def call(self, inputs: Tensor) -> Tensor:
        """Images to their reconstructions where the model has an encoder, latents to images where it has not.

        A conditional model takes ``[images or latents, labels]``. One that translates takes images, and draws noise.
        """
        if "translation" in self.tags:
            x = to_unit_interval(inputs)
            return self.translate_step(x, self.noise(ops.shape(x)[0]))
        inputs, *labels = self._pair(inputs) if "conditional" in self.tags else (inputs,)
        if "encoder" in self.tags:
            inputs = self.encode_step(to_unit_interval(inputs), *labels)
        elif len(inputs.shape) != 2:
            raise ValueError(
                f"{type(self).__name__} maps latents to images. Received: inputs of shape {tuple(inputs.shape)}. "
                f"Expected: (batch, {self.latent_dim}). New images come from `sample(n)`."
            )
        return self.decode_step(inputs, *labels)

    def _pair(self, inputs: Any) -> Sequence[Tensor]:
        if not isinstance(inputs, (list, tuple)) or len(inputs) != 2:
            raise ValueError(f"{type(self).__name__} takes [images or latents, labels]. Received: {type(inputs)}")
        return inputs


def _may_train(network):
    """A network's variables that are trainable, or would be if none of its layers were frozen."""
    flags = [(layer, layer.trainable) for layer in flattened(network)]
    own = [(variable, variable.trainable) for variable in network.weights]
    for layer, _ in flags:  # each by itself: on TensorFlow a flag that is set already does not reach what is inside
        layer.trainable = True
    try:
        return list(network.trainable_variables)
    finally:
        for layer, trainable in [*flags, *own]:
            layer.trainable = trainable
