r"""How the weight of the KL term grows with the training steps: pure functions on ``keras.ops``.

Each takes the number of steps made so far (a number or an integer tensor, so it runs inside a compiled step) and a
length in steps, and returns a float32 scalar tensor in [0, 1].
"""

from keras import ops

from genzoo.annotations import Tensor
from genzoo.validation import positive_int


def constant(step: Tensor, steps: int) -> Tensor:
    """1, always."""
    return ops.ones_like(ops.cast(step, "float32"))


def linear(step: Tensor, steps: int) -> Tensor:
    """From 0 to 1 in ``steps`` steps, then 1 (Sønderby et al. 2016; the capacity of Burgess et al. 2018)."""
    return ops.minimum(ops.cast(step, "float32") / positive_int("steps", steps), 1.0)


def sigmoid(step: Tensor, steps: int) -> Tensor:
    r"""$1 / (1 + e^{-12 (t - 1/2)})$ of $t$ = ``step / steps``: 0.002 at 0, 1/2 halfway, 0.998 at ``steps``.

    The logistic curve of Bowman et al. (2016).
    """
    return ops.sigmoid(12.0 * (ops.cast(step, "float32") / positive_int("steps", steps) - 0.5))


def cyclical(step: Tensor, steps: int) -> Tensor:
    """In every cycle of ``steps`` steps from 0 to 1 in the first half, then 1 (Fu et al. 2019, R = 0.5)."""
    steps = positive_int("steps", steps)
    return ops.minimum(2.0 * ops.cast(step % steps, "float32") / steps, 1.0)


SCHEDULES = {"constant": constant, "linear": linear, "sigmoid": sigmoid, "cyclical": cyclical}
