"""What papers do to rates and momenta and Keras does not, as Keras' own optimizers and schedules would do it."""

from typing import Any

import keras
from keras import ops

from genzoo.annotations import Tensor
from genzoo.validation import natural_number


@keras.saving.register_keras_serializable("genzoo")
class Later(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule that begins after some steps. Until then its first value holds.

    Args:
        schedule: a ``keras.optimizers.schedules.LearningRateSchedule``.
        begin: steps before it.

    Example:
    >>> falling = keras.optimizers.schedules.ExponentialDecay(1.0, decay_steps=10, decay_rate=0.5)
    >>> [float(Later(falling, begin=100)(step)) for step in (0, 100, 110)]
    [1.0, 1.0, 0.5]
    """

    def __init__(self, schedule: Any, begin: int):
        super().__init__()
        self.schedule = keras.saving.deserialize_keras_object(schedule) if isinstance(schedule, dict) else schedule
        self.begin = natural_number("begin", begin)

    def __call__(self, step: Tensor) -> Tensor:
        return self.schedule(ops.maximum(ops.convert_to_tensor(step) - self.begin, 0))

    def get_config(self) -> dict[str, Any]:
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "begin": self.begin}


@keras.saving.register_keras_serializable("genzoo")
class ScheduledSGD(keras.optimizers.SGD):
    """Keras' ``SGD`` whose momentum follows a schedule, as in Goodfellow et al. (2014), where it rises from 0.5 to 0.7.

    Args:
        learning_rate: a number or a schedule, as for every optimizer of Keras.
        momentum: a ``keras.optimizers.schedules.LearningRateSchedule`` of values above 0.
        **kwargs: what Keras' ``SGD`` takes beside, but ``nesterov``.

    Example:
    >>> rising = keras.optimizers.schedules.PolynomialDecay(0.5, decay_steps=1000, end_learning_rate=0.7)
    >>> optimizer = ScheduledSGD(0.1, momentum=rising)
    """

    _base = 0.5  # what Keras multiplies by; any number above 0 would do, by this one division is exact

    def __init__(self, learning_rate: Any = 0.01, momentum: Any = None, **kwargs: Any):
        if isinstance(momentum, dict):
            momentum = keras.saving.deserialize_keras_object(momentum)
        if not isinstance(momentum, keras.optimizers.schedules.LearningRateSchedule) or kwargs.pop("nesterov", False):
            raise ValueError(
                "Expected a keras.optimizers.schedules.LearningRateSchedule as momentum, and no Nesterov momentum. "
                f"Received: momentum={momentum!r}. keras.optimizers.SGD takes a number."
            )
        super().__init__(learning_rate, momentum=self._base, **kwargs)
        self.momentum_schedule = momentum

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        """One update: velocities are scaled first, so that Keras' factor makes this step's momentum of them."""
        for velocity in self.momentums if self.built else ():
            factor = self.momentum_schedule(self.iterations) / self._base
            velocity.assign(velocity * ops.cast(factor, velocity.dtype))
        return super().apply(grads, trainable_variables)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "momentum": keras.saving.serialize_keras_object(self.momentum_schedule)}
        del config["nesterov"]
        return config
