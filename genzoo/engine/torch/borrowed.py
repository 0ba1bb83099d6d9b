"""Names that PyTorch, and Keras on PyTorch, do not promise.

Kernels of updates and layers, what a recording needs, and the operations that a recorded graph is known by.
"""

import contextlib
import functools
import logging
import math
import threading
from collections.abc import Callable

import keras
import torch
from torch.nn import functional

from genzoo.engine.borrowed import Borrowed, looked_up

# Updates.


def fused_adam(kernel, values, gradients, moments, learning_rate, beta_1, beta_2, epsilon):
    """One step of an Adam whose corrections are in its learning rate. Changes values and moments."""
    # PyTorch corrects by the number of the step; after infinitely many there is nothing to correct.
    late = [torch.full((), math.inf, device=learning_rate.device)] * len(values)
    kernel(
        values, gradients, *moments, [], late, amsgrad=False, maximize=False, weight_decay=0.0,
        lr=learning_rate, beta1=beta_1, beta2=beta_2, eps=epsilon,
    )  # fmt: skip


def fused_sgd(kernel, values, gradients, moments, learning_rate: float, momentum: float):
    """One step of SGD without Nesterov's momentum. Changes values and moments."""
    options = {"weight_decay": 0.0, "nesterov": False, "maximize": False, "is_first_step": False}
    if not momentum:
        kernel(values, gradients, [], momentum=0.0, lr=learning_rate, dampening=0.0, **options)
    else:
        # In Keras the moments hold the learning rate; here it is what dampening leaves of a gradient.
        kernel(
            values, gradients, moments, momentum=momentum, lr=-1.0, dampening=1.0 + learning_rate, **options
        )  # fmt: skip


def _steps_as_adam(kernel) -> bool:
    value, gradient, first, second = _lists(1.0, 2.0, 0.5, 3.0)
    fused_adam(kernel, value, gradient, (first, second), _tensor(0.25), 0.5, 0.75, 1.0)
    return _are_close((first, 1.25), (second, 3.25), (value, 1 - 0.25 * 1.25 / (3.25**0.5 + 1)))


def _steps_as_sgd(kernel) -> bool:
    value, gradient, moment = _lists(1.0, 2.0, 0.5)
    fused_sgd(kernel, value, gradient, [], 0.25, 0.0)
    right = _are_close((value, 0.5))
    fused_sgd(kernel, value, gradient, moment, 0.25, 0.5)
    return right and _are_close((moment, -0.25), (value, 0.25))


def _multiplies(foreach) -> bool:
    (values,) = _lists(1.5)
    foreach(values, 2.0)
    return _are_close((values, 3.0))


def _adds(foreach) -> bool:
    values, others = _lists(1.0, 5.0)
    foreach(values, others, alpha=0.5)
    return _are_close((values, 3.5))


def _lists(*numbers):
    return [[_tensor([number])] for number in numbers]


def _tensor(value):
    return keras.ops.convert_to_tensor(value, dtype="float32")  # where Keras' variables are


def _are_close(*pairs) -> bool:
    return all(math.isclose(float(tensor), number, rel_tol=1e-5) for (tensor,), number in pairs)


_KERAS_SPEED = "{} updates run at Keras' own speed."
adam_kernel = Borrowed("torch._fused_adam_", _KERAS_SPEED.format("Adam's"), _steps_as_adam)
sgd_kernel = Borrowed("torch._fused_sgd_", _KERAS_SPEED.format("SGD's"), _steps_as_sgd)
foreach_multiply = Borrowed("torch._foreach_mul_", _KERAS_SPEED.format("SGD's Nesterov"), _multiplies)
foreach_add = Borrowed("torch._foreach_add_", _KERAS_SPEED.format("SGD's Nesterov"), _adds)

# Layers.


def _is_its_gradient(backward) -> bool:
    gradient = backward(torch.tensor([3.0, 3.0]), torch.tensor([-1.0, 1.0]), 0.5, False)
    return gradient.tolist() == [1.5, 3.0]


def _gives_gradients(backward) -> bool:
    images, weight = torch.full((1, 1, 2, 2), 2.0), torch.ones(1, 1, 1, 1)
    slope, options = torch.full((1, 1, 2, 2), 3.0), ((1, 1), (0, 0), (1, 1), False, (0, 0), 1)
    _, by_weight, by_bias = backward(slope, images, weight, [1], *options, [False, True, True])
    return (by_weight.item(), by_bias.item()) == (24.0, 12.0)


def _normalises(batch_norm) -> bool:
    x, one, zero = torch.tensor([[1.0], [3.0]]), torch.ones(1), torch.zeros(1)
    in_training = batch_norm(x, one, zero, None, None, True, 0.0, 3.0)
    given = batch_norm(x, one, zero, torch.ones(1), torch.ones(1), False, 0.0, 3.0)
    found = [*in_training[0].flatten(), in_training[1], in_training[2], *given[0].flatten()]
    return [round(float(number), 5) for number in found] == [-0.5, 0.5, 2.0, 0.5, 0.0, 1.0]


leaky_relu_backward = Borrowed(
    "torch.ops.aten.leaky_relu_backward", "Gradients of leaky ReLU take two operations.", _is_its_gradient
)
convolution_backward = Borrowed(
    "torch.ops.aten.convolution_backward",
    "Gradients of strided convolutions of images take more operations.",
    _gives_gradients,
)
native_batch_norm = Borrowed("torch.native_batch_norm", "Batch normalisation runs at Keras' own speed.", _normalises)


def _pin(generator) -> None:
    """Keras asks for the seed that a generator was given; without one it draws dropout elsewhere."""
    if generator._initial_seed is None:
        generator._initial_seed = int(keras.ops.convert_to_numpy(generator.state)[0])


def _fixes_dropout(pin) -> bool:
    def mask():
        generator = keras.random.SeedGenerator()
        generator.state.assign([7, 0])
        pin(generator)
        return keras.ops.convert_to_numpy(keras.random.dropout(keras.ops.ones(64), 0.5, seed=generator))

    return (mask() == mask()).all()


pin_seed = Borrowed(
    "keras.random.SeedGenerator._initial_seed",
    "A keras.layers.Dropout without a seed of its own draws from PyTorch's global generator, which no file restores.",
    _fixes_dropout,
    using=_pin,
)

# Recordings.

_EAGER = "Training steps are not recorded: they run as slowly as Keras runs them."
_NO_OVERWRITING = "Recorded steps write every result to new memory, which is slower."

make_fx = Borrowed("torch.fx.experimental.proxy_tensor.make_fx", _EAGER, callable)
dispatch_mode = Borrowed("torch.utils._python_dispatch.TorchDispatchMode", _EAGER, lambda mode: isinstance(mode, type))
constant_limit = Borrowed(
    "torch.fx.experimental.proxy_tensor.CONSTANT_NUMEL_LIMIT",
    "Recording a step leaves memory in fragments.",
    lambda limit: isinstance(limit, int),
)
_schema = Borrowed(
    "torch.ops.aten.neg_.default._schema",
    _EAGER,
    lambda schema: schema.is_mutable and schema.returns[0].alias_info is not None,
)
_bare_call = Borrowed(
    "torch.ops.aten.neg.default._op",
    "Every operation of a recorded step takes a little longer.",
    lambda negate: negate(torch.ones(())).item() == -1,
)


def _gives(expected: Callable, *others, shares_memory: bool = False):
    """A check that an operation of a matrix gives what a public function gives, in new memory or in the matrix'."""

    def check(operation):
        x = torch.tensor([[-1.0, 2.0], [3.0, 5.0]])
        result = operation(x, *others)
        shared = result.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
        return torch.equal(result, expected(x, *others)) and shared == shares_memory

    return check


def _writes(expected: Callable, *others):
    """A check that an operation writes over its first argument what a public function gives."""

    def check(operation):
        x = torch.tensor([[-1.0, 2.0], [3.0, 5.0]])
        result = expected(x, *others)
        return operation(x, *others) is x and torch.equal(x, result)

    return check


fresh_copy = Borrowed("torch.ops.aten.lift_fresh_copy.default", "Recorded steps copy constants.", _gives(torch.clone))
detach = Borrowed(
    "torch.ops.aten.detach.default",
    "Recorded steps have operations that do nothing.",
    _gives(torch.detach, shares_memory=True),
)
_views = [
    Borrowed(f"torch.ops.aten.{name}.default", _NO_OVERWRITING, _gives(expected, *others, shares_memory=True))
    for name, expected, *others in (
        ("permute", torch.permute, (1, 0)),
        ("view", torch.reshape, (4, 1)),
        ("_unsafe_view", torch.reshape, (4, 1)),
        ("t", torch.t),
        ("unsqueeze", torch.unsqueeze, 1),
    )
]
_pairs = [
    (
        Borrowed(f"torch.ops.aten.{name}.{overload}", _NO_OVERWRITING, _gives(expected, *others)),
        Borrowed(f"torch.ops.aten.{name}_.{overload}", _NO_OVERWRITING, _writes(expected, *others)),
    )
    for name, overload, expected, *others in (
        ("relu", "default", torch.relu),
        ("sigmoid", "default", torch.sigmoid),
        ("tanh", "default", torch.tanh),
        ("leaky_relu", "default", functional.leaky_relu, 0.25),
        ("mul", "Tensor", torch.mul, torch.tensor([3.0, 5.0])),
        ("div", "Tensor", torch.div, torch.tensor([3.0, 5.0])),
        ("add", "Tensor", torch.add, torch.tensor([3.0, 5.0])),
        ("sub", "Tensor", torch.sub, torch.tensor([3.0, 5.0])),
    )
]


def can_record() -> bool:
    """Whether there is all that no recording does without."""
    return all(name.found is not None for name in (dispatch_mode, make_fx, _schema))


@functools.cache
def overwriting():
    """Views, and operations with those that write the same over their first argument; both empty if one is gone."""
    names = [*_views, *(name for pair in _pairs for name in pair)]
    if any(name.found is None for name in names):
        return frozenset(), {}
    return frozenset(name.found for name in _views), {one.found: other.found for one, other in _pairs}


def schema_of(target):
    """What an operation says of itself; None for a function that is none."""
    return getattr(target, "_schema", None)


def bare(target):
    """The function inside an operation: the operation's own call costs as much as a small operation."""
    return target if _bare_call.found is None else getattr(target, "_op", target)


_settings = threading.Lock()


@contextlib.contextmanager
def nothing_computed():
    """Inside, a trace does not compute with what it takes for constants, because that would move real variables.

    Nor does PyTorch log an error for an operation that has no kernel for tensors without memory.
    """
    module, log = looked_up("torch.fx.experimental.proxy_tensor"), logging.getLogger("torch._subclasses.fake_tensor")
    with _settings:
        limit, disabled = module.CONSTANT_NUMEL_LIMIT, log.disabled
        module.CONSTANT_NUMEL_LIMIT, log.disabled = -1, True
        try:
            yield
        finally:
            module.CONSTANT_NUMEL_LIMIT, log.disabled = limit, disabled
