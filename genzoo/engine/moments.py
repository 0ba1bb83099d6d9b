"""Where Keras' optimizers keep their moments: for backends with a fused kernel that updates them."""

import weakref

import keras
import numpy as np

from genzoo.engine import plain
from genzoo.engine.borrowed import Borrowed

_variables_of = weakref.WeakKeyDictionary()


def build_optimizer(optimizer, variables) -> None:
    plain.build_optimizer(optimizer, variables)
    _variables_of[optimizer] = list(variables)


def is_built_for(optimizer, variables) -> bool:
    """Whether ``build_optimizer`` made its moments for these variables, in this order."""
    return [*map(id, _variables_of.get(optimizer, ()))] == [*map(id, variables)]


def moments_of(optimizer, count: int, kinds: int):
    """The moments of ``count`` variables: for each kind a list of them."""
    moments = optimizer.variables[-kinds * count :]  # they follow the step counter and the learning rate
    return [moments[kind::kinds] for kind in range(kinds)]


def _are_where_expected(optimizer, *expected) -> bool:
    """Whether after one step the moments are these functions of the gradient."""
    gradients = [np.array(values, "float32") for values in ([1.0, -2.0], [3.0, 4.0])]
    variables = [keras.Variable(np.zeros(2), dtype="float32") for _ in gradients]
    optimizer.build(variables)
    optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], variables)
    return all(
        np.allclose(keras.ops.convert_to_numpy(moment), function(gradient), rtol=1e-5)
        for function, moments in zip(expected, moments_of(optimizer, 2, len(expected)), strict=True)
        for gradient, moment in zip(gradients, moments, strict=True)
    )


# The order of these lists is not promised. The check is of the optimizer, not of what the name gives.
of_adam = Borrowed(
    "keras.optimizers.Adam.variables",
    "Adam's updates run at Keras' own speed.",
    lambda _: _are_where_expected(
        keras.optimizers.Adam(0.1, beta_1=0.5, beta_2=0.75), lambda g: g / 2, lambda g: g**2 / 4
    ),
)
of_sgd = Borrowed(
    "keras.optimizers.SGD.variables",
    "SGD's updates with momentum run at Keras' own speed.",
    lambda _: _are_where_expected(keras.optimizers.SGD(0.5, momentum=0.5), lambda g: -g / 2),
)
