"""Updates by TensorFlow's own kernels, one operation per variable, where they compute what Keras' optimizer does."""

import keras
import tensorflow as tf

from genzoo.engine import moments, plain


def update(optimizer, gradients, variables) -> None:
    kernel = {keras.optimizers.Adam: _adam, keras.optimizers.SGD: _sgd}.get(type(optimizer))
    if kernel is None or not _is_plain(optimizer, gradients, variables) or not _moments_are_known(optimizer):
        optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))  # as Keras does on TensorFlow
        return
    pairs = [(v.value.handle, g) for v, g in zip(variables, gradients, strict=True)]
    kernel(optimizer, pairs, tf.cast(optimizer.learning_rate, tf.float32))
    optimizer.iterations.assign_add(1)


def _is_plain(optimizer, gradients, variables):
    return (
        not tf.distribute.has_strategy()
        and not plain.has_extras(optimizer)
        and moments.is_built_for(optimizer, variables)
        and all(v.dtype == "float32" and v.constraint is None and not v.overwrite_with_gradient for v in variables)
        and all(isinstance(g, tf.Tensor) and g.dtype == tf.float32 for g in gradients)
    )


def _moments_are_known(optimizer):
    with tf.init_scope():  # the check makes an update, which is no part of the step
        if type(optimizer) is keras.optimizers.Adam:
            return moments.of_adam.found is not None
        return not optimizer.momentum or moments.of_sgd.found is not None


def _adam(optimizer, pairs, learning_rate):
    step = tf.cast(optimizer.iterations + 1, tf.float32)
    constants = {
        "beta1": optimizer.beta_1,
        "beta2": optimizer.beta_2,
        "beta1_power": optimizer.beta_1**step,
        "beta2_power": optimizer.beta_2**step,
        "epsilon": optimizer.epsilon,
    }
    for (variable, gradient), m, v in zip(pairs, *_handles(optimizer, len(pairs), 2), strict=True):
        tf.raw_ops.ResourceApplyAdam(var=variable, m=m, v=v, grad=gradient, lr=learning_rate, **constants)


def _sgd(optimizer, pairs, learning_rate):
    if not optimizer.momentum:
        for variable, gradient in pairs:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable, alpha=learning_rate, delta=gradient)
        return
    options = {"lr": learning_rate, "momentum": optimizer.momentum, "use_nesterov": optimizer.nesterov}
    for (variable, gradient), moment in zip(pairs, *_handles(optimizer, len(pairs), 1), strict=True):
        tf.raw_ops.ResourceApplyKerasMomentum(var=variable, accum=moment, grad=gradient, **options)


def _handles(optimizer, count, kinds):
    return [[moment.value.handle for moment in each] for each in moments.moments_of(optimizer, count, kinds)]
