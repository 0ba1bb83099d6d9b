"""What a training step is made of: ``minimize``, ``record``, ``log``, random numbers."""

import contextvars
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from genzoo import engine
from genzoo.annotations import Tensor
from genzoo.data.batches import split_batch, to_unit_interval
from genzoo.errors import unknown_name
from genzoo.model.part import Part


class _Step(NamedTuple):
    training: bool
    batch_size: Any  # float32 scalar tensor: metrics average over images


# The step that is being played. Not on the model: tf.distribute plays one per replica, in threads.
_current_step: contextvars.ContextVar[_Step] = contextvars.ContextVar("genzoo_step")


class Recording(NamedTuple):
    """What ``GenerativeModel.record`` returns: outputs, and the engine's way back from them, of use in training."""

    outputs: tuple
    pull: Callable


def _no_way_back(*_: Tensor, **__: bool):
    raise RuntimeError("Nothing was recorded: this step measures and does not train.")


class Steps(Part):
    """What a ``GenerativeModel`` calls in its ``step``, and what plays it."""

    def run_step(self, data: Any, training: bool) -> None:
        """What the engine calls for every batch: unpacks it and plays ``step`` in the right phase."""
        x, y = split_batch(data)
        x = to_unit_interval(x)
        if "translation" in self.tags:
            y = to_unit_interval(y)
        elif self.label_ids is not None:
            y = ops.reshape(y, (-1,))  # (n, 1) too
        token = _current_step.set(_Step(training, ops.cast(ops.shape(x)[0], "float32")))
        try:
            engine.in_phase(lambda: self.step(x, y), training)
        finally:
            _current_step.reset(token)
        if training:
            self.optimizer.advance()

    def minimize(self, loss_fn: Callable, player: str, through: tuple[Recording, ...] = ()) -> Tensor:
        """Moves the player's variables one optimizer step down ``loss_fn()``; in ``evaluate`` only measures it.

        Args:
            loss_fn: function that returns a scalar or one value per image (averaged). Without arguments; or of the
                outputs of the first recording.
            player: name of a player of the model.
            through: recordings that the gradient goes back through: the first has the arguments of ``loss_fn``, each
                further one has made the inputs of the one before it, and the last is the player's own.

        Returns:
            The loss, a scalar tensor without gradient.
        """

        def scalar(*arguments):
            return ops.mean(loss_fn(*arguments))

        variables = self.optimizer.variables_of(player) if self.is_training else []
        if not variables:  # in `evaluate`, and where all of the player's networks are frozen
            loss = scalar(*(through[0].outputs if through else ()))
        elif through:
            loss, pull = engine.record(scalar, (), through[0].outputs)
            slopes = pull(self._slope(player, loss), by_inputs=True)
            for recording in through[:-1]:
                slopes = recording.pull(tuple(slopes), by_inputs=True, keep=True)
            self._update(player, through[-1].pull(tuple(slopes)))
        else:
            loss, pull = engine.record(scalar, variables)
            self._update(player, pull(self._slope(player, loss)))
        self._track(self.loss_name(player), loss)
        return loss

    def record(self, fn: Callable, player: str, inputs: tuple = ()) -> Recording:
        """The outputs of ``fn(*inputs)``, a tuple, that losses of several players can go back through.

        Args:
            fn: function that returns a tuple of tensors.
            player: whose variables gradients may be asked by.
            inputs: tensors that gradients may be asked by too, so that they reach an earlier recording.
        """
        if not self.is_training:
            return Recording(fn(*inputs), _no_way_back)
        return Recording(*engine.record(fn, self.optimizer.variables_of(player), inputs))

    def log(self, name: str, value: Tensor, weights: Tensor | None = None) -> None:
        """Averages a tensor (a scalar, or one value per image) into the epoch's metric of this name.

        Args:
            name: one of the model's ``logs``.
            value: the tensor.
            weights: how much each image counts, such as 1 where it has a label and 0 where it has none; or None.
        """
        if name not in self.logs:
            raise unknown_name("metric", name, self.logs, f"Declare it in {type(self).__name__}.logs.")
        self._track(name, value, weights)

    def move_average(self, average: keras.Model, network: keras.Model, decay: float) -> None:
        """Moves the weights of ``average``, a ``networks.frozen_copy``, towards those of the network that trains.

        Args:
            average, network: of the same layers.
            decay: what is kept of the average per step. In step t it is at most (1 + t) / (10 + t), so that the random
                initial weights are soon forgotten.
        """
        steps = ops.cast(self.optimizer.iterations, "float32")
        decay = ops.minimum(decay, (1.0 + steps) / (10.0 + steps))
        for averaged, weight in zip(average.weights, network.weights, strict=True):
            averaged.assign(averaged + (1.0 - decay) * (weight - averaged))

    def normal(self, shape: Any) -> Tensor:
        """Standard normal numbers, float32, from the model's own seed."""
        return engine.normal(shape, self.seed_generator)

    def uniform(self, shape: Any) -> Tensor:
        """Numbers uniform in [0, 1), float32, from the model's own seed."""
        return engine.uniform(shape, self.seed_generator)

    def noise(self, batch_size: Tensor) -> Tensor:
        """Latents ``(batch_size, latent_dim)`` from the prior, a standard normal, for training."""
        return self.normal((batch_size, self.latent_dim))

    def one_hot(self, y: Tensor, classes: int | None = None) -> Tensor:
        """Class ids ``(batch,)`` as float32 ``(batch, classes)``, by default ``num_classes`` of them."""
        # Not ops.one_hot, which on torch reads the ids, so that no step with it could be recorded.
        ids = ops.arange(self.num_classes if classes is None else classes, dtype="int32")
        return ops.cast(ops.equal(ops.expand_dims(ops.cast(y, "int32"), 1), ids), "float32")

    @property
    def is_training(self) -> bool:
        """Whether the step that is being played moves weights."""
        return _current_step.get().training

    def _slope(self, player, loss):
        """The gradient of a loss by itself, 1, scaled where the player's optimizer will divide by the scale again."""
        return self.optimizer[player].scale_loss(ops.ones_like(loss))

    def _update(self, player, gradients):
        engine.update(self.optimizer[player], gradients, self.optimizer.variables_of(player))

    def _track(self, name, value, weights=None):
        # As Mean.update_state does it with a sample weight, in three operations instead of a dozen.
        tracker, value = self._trackers[name], ops.cast(value, "float32")
        weight = _current_step.get().batch_size if weights is None else ops.sum(weights)
        tracker.total.assign_add(weight * ops.mean(value) if weights is None else ops.sum(weights * value))
        tracker.count.assign_add(weight)

    def updates_per_step(self, player: str) -> int:
        """How often a training step moves the player."""
        return 1

    def loss_name(self, player: str) -> str:
        return "loss" if len(self.players) == 1 else f"{player}_loss"
