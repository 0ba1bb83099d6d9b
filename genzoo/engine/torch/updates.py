"""Updates by Keras' Adam and SGD in one pass over memory."""

import math

import keras
import torch

from genzoo.engine import plain

_library = torch.library.Library("genzoo", "FRAGMENT")
_library.define(
    "sgd_(Tensor(a!)[] values, Tensor[] gradients, Tensor(b!)[] moments, Tensor learning_rate, float momentum, "
    "bool nesterov) -> ()"
)


def update(optimizer, gradients, variables):
    fused = _fused_update(optimizer)
    if fused is None or not _plain_variables(gradients, variables):
        return plain.update(optimizer, gradients, variables)
    # The fused kernels read memory in order, whatever the strides of a gradient.
    gradients = [gradient.contiguous() for gradient in gradients]
    fused(optimizer, gradients, variables)
    optimizer.iterations.assign_add(1)


def _fused_update(optimizer):
    """The function for Keras' own optimizer without extras, else None."""
    if not optimizer.built or plain.has_extras(optimizer):
        return None
    private = (optimizer, "_get_variable_index"), (torch, "_fused_adam_"), (torch, "_fused_sgd_")
    if not all(hasattr(*each) for each in private):
        return None
    if _is(optimizer, keras.optimizers.Adam) and hasattr(optimizer, "_momentums"):
        return _adam
    if _is(optimizer, keras.optimizers.SGD):
        return _sgd
    return None


def _is(optimizer, public):
    """Whether this is the optimizer itself, in Keras' subclass for PyTorch, and not one that extends it."""
    own = type(optimizer)
    return isinstance(optimizer, public) and own.__name__ == public.__name__ and own.__module__.startswith("keras.src.")


def _plain_variables(gradients, variables):
    return variables and all(
        gradient is not None
        and gradient.dtype == variable.value.dtype == torch.float32
        and gradient.device.type in ("cpu", "cuda")
        and variable.value.is_contiguous()
        and variable.constraint is None
        and not getattr(variable, "overwrite_with_gradient", False)
        for gradient, variable in zip(gradients, variables, strict=True)
    )


def _slots(optimizer, slots, variables):
    return [slots[optimizer._get_variable_index(variable)].value for variable in variables]


def _adam(optimizer, gradients, variables):
    values = [variable.value for variable in variables]
    moments = [_slots(optimizer, slots, variables) for slots in (optimizer._momentums, optimizer._velocities)]
    step = (optimizer.iterations.value + 1).to(torch.float32)
    corrections = (1 - optimizer.beta_2**step).sqrt() / (1 - optimizer.beta_1**step)
    # Epsilon is added before the correction in Keras, after it in PyTorch. So all of it goes into the learning rate,
    # and PyTorch's own is that of a step infinitely late: none.
    late = [torch.full((), math.inf, device=step.device)] * len(values)
    torch._fused_adam_(
        values, gradients, *moments, [], late, amsgrad=False, maximize=False, weight_decay=0.0,
        lr=_learning_rate(optimizer) * corrections, beta1=optimizer.beta_1, beta2=optimizer.beta_2,
        eps=optimizer.epsilon,
    )  # fmt: skip


def _sgd(optimizer, gradients, variables):
    values = [variable.value for variable in variables]
    moments = _slots(optimizer, optimizer.momentums, variables) if optimizer.momentum else []
    options = _learning_rate(optimizer), optimizer.momentum, optimizer.nesterov
    torch.ops.genzoo.sgd_.default(values, gradients, moments, *options)


def _learning_rate(optimizer):
    return keras.ops.convert_to_tensor(optimizer.learning_rate, dtype="float32")


@torch.no_grad()
def _fused_sgd(values, gradients, moments, learning_rate, momentum, nesterov):
    rate = learning_rate.item()
    options = {"weight_decay": 0.0, "nesterov": False, "maximize": False, "is_first_step": False}
    if not momentum:
        torch._fused_sgd_(values, gradients, [], momentum=0.0, lr=rate, dampening=0.0, **options)
    elif nesterov:
        torch._foreach_mul_(moments, momentum)
        torch._foreach_add_(moments, gradients, alpha=-rate)
        torch._foreach_add_(values, gradients, alpha=-rate)
        torch._foreach_add_(values, moments, alpha=momentum)
    else:
        # In Keras the moments hold the learning rate; here it is what dampening leaves of a gradient.
        torch._fused_sgd_(values, gradients, moments, momentum=momentum, lr=-1.0, dampening=1.0 + rate, **options)


_library.impl("sgd_", _fused_sgd, "CompositeExplicitAutograd")
_library.impl("sgd_", lambda *_: None, "Meta")  # while a step is being recorded
