"""Comparing two ways of computing the same: values, gradients, second gradients."""

import keras
import numpy as np
from keras import ops

from genzoo import engine

rng = np.random.default_rng(0)


def tensor(*shape):
    return ops.convert_to_tensor(rng.standard_normal(shape).astype("float32"))


def value(x):
    return ops.convert_to_numpy(x)


def by_each(fn, inputs):
    """The gradient of the sum of ``fn(*inputs)`` by every input."""
    return [
        engine.input_gradient(lambda x, i=i: fn(*inputs[:i], x, *inputs[i + 1 :]), inputs[i])
        for i in range(len(inputs))
    ]


def in_one_program(fn):
    """On JAX, which would compile one for every operation."""
    if keras.config.backend() != "jax":
        return fn
    import jax

    return jax.jit(fn)


def check_equal(ours, theirs, inputs):
    """Equal values, gradients by every input, and gradients of a slope's square, as a gradient penalty has them."""
    weights = tensor(*theirs(*inputs).shape)

    def weighted(fn):  # squared, so that no derivative is 0
        return lambda *inputs: ops.square(fn(*inputs)) * weights

    def slope(fn):
        return lambda x, *rest: ops.square(engine.input_gradient(lambda x: weighted(fn)(x, *rest), x))

    def everything(fn):
        return lambda *inputs: [fn(*inputs), *by_each(weighted(fn), inputs), *by_each(slope(fn), inputs)]

    mine, others = (in_one_program(everything(fn))(*inputs) for fn in (ours, theirs))
    for a, b in zip(mine, others, strict=True):
        np.testing.assert_allclose(value(a), value(b), atol=1e-5 * max(1.0, np.abs(value(b)).max()))
