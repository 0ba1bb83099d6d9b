"""Updates by Keras' Adam and SGD in one pass over memory."""

import functools

import keras
import torch

from genzoo.engine import moments, plain
from genzoo.engine.torch import borrowed

_library = torch.library.Library("genzoo", "FRAGMENT")
_library.define(
    "sgd_(Tensor(a!)[] values, Tensor[] gradients, Tensor(b!)[] moments, Tensor learning_rate, float momentum, "
    "bool nesterov) -> ()"
)


def update(optimizer, gradients, variables):
    fused = _fused_update(optimizer)
    if fused is None or not _plain_variables(optimizer, gradients, variables):
        return plain.update(optimizer, gradients, variables)
    # The fused kernels read memory in order, whatever the strides of a gradient.
    gradients = [gradient.contiguous() for gradient in gradients]
    fused(optimizer, gradients, [variable.value for variable in variables])
    optimizer.iterations.assign_add(1)


def _fused_update(optimizer):
    """The function that does what Keras' own optimizer does; None for any other, and for one with extras."""
    if not optimizer.built or plain.has_extras(optimizer):
        return None
    if type(optimizer) is _own_class("Adam"):
        needed = moments.of_adam, borrowed.adam_kernel
    elif type(optimizer) is not _own_class("SGD"):
        return None
    elif not optimizer.momentum:
        needed = (borrowed.sgd_kernel,)
    elif optimizer.nesterov:
        needed = moments.of_sgd, borrowed.foreach_multiply, borrowed.foreach_add
    else:
        needed = moments.of_sgd, borrowed.sgd_kernel
    if any(name.found is None for name in needed):
        return None
    return _adam if needed[0] is moments.of_adam else _sgd


@functools.cache
def _own_class(name):
    """The class of Keras' optimizer on PyTorch, which is another than its public one."""
    return type(getattr(keras.optimizers, name)())


def _plain_variables(optimizer, gradients, variables):
    return (
        variables
        and moments.is_built_for(optimizer, variables)
        and all(
            gradient is not None
            and gradient.dtype == variable.value.dtype == torch.float32
            and gradient.device.type in ("cpu", "cuda")
            and variable.value.is_contiguous()
            and variable.constraint is None
            and not getattr(variable, "overwrite_with_gradient", False)
            for gradient, variable in zip(gradients, variables, strict=True)
        )
    )


def _adam(optimizer, gradients, values):
    step = (optimizer.iterations.value + 1).to(torch.float32)
    # Epsilon is added before the correction in Keras, after it in PyTorch. So all of it goes into the learning rate.
    corrections = (1 - optimizer.beta_2**step).sqrt() / (1 - optimizer.beta_1**step)
    rate = _learning_rate(optimizer) * corrections
    options = optimizer.beta_1, optimizer.beta_2, optimizer.epsilon
    borrowed.fused_adam(borrowed.adam_kernel.found, values, gradients, _moments(optimizer, values, 2), rate, *options)


def _sgd(optimizer, gradients, values):
    (own,) = _moments(optimizer, values, 1) if optimizer.momentum else ([],)
    options = _learning_rate(optimizer), optimizer.momentum, optimizer.nesterov
    torch.ops.genzoo.sgd_.default(values, gradients, own, *options)


def _moments(optimizer, values, kinds):
    return [[moment.value for moment in each] for each in moments.moments_of(optimizer, len(values), kinds)]


def _learning_rate(optimizer):
    return keras.ops.convert_to_tensor(optimizer.learning_rate, dtype="float32")


@torch.no_grad()
def _fused_sgd(values, gradients, moments, learning_rate, momentum, nesterov):
    rate = learning_rate.item()
    if not nesterov or not momentum:
        borrowed.fused_sgd(borrowed.sgd_kernel.found, values, gradients, moments, rate, momentum)
        return
    multiply, add = borrowed.foreach_multiply.found, borrowed.foreach_add.found
    multiply(moments, momentum)
    add(moments, gradients, alpha=-rate)
    add(values, gradients, alpha=-rate)
    add(values, moments, alpha=momentum)


_library.impl("sgd_", _fused_sgd, "CompositeExplicitAutograd")
_library.impl("sgd_", lambda *_: None, "Meta")  # while a step is being recorded
