"""JAX: state is explicit. A step that looks stateful runs inside one ``StatelessScope`` around the state tuple."""

import contextlib
import contextvars
import functools
import os
from typing import NamedTuple

import jax
import keras
from jax import numpy as jnp

from genzoo.engine import plain
from genzoo.engine.jax import borrowed, convolution
from genzoo.engine.jax.initial import build_optimizer, initializer  # noqa: F401
from genzoo.engine.plain import (  # noqa: F401  (offered as they are)
    batch_norm,
    dense,
    export,
    feed,
    fill,
    leaky_relu,
    normalise,
    pin_seeds,
    update,
)


class _Scope(NamedTuple):
    """Where variables have values of their own, and which do."""

    values: keras.StatelessScope
    variables: list


_current_scope: contextvars.ContextVar[_Scope | None] = contextvars.ContextVar("genzoo_scope", default=None)


@contextlib.contextmanager
def _stateless(variables, values):
    """A ``StatelessScope`` of these variables, with these values, that ``record`` finds."""
    with keras.StatelessScope() as scope:
        for pair in zip(variables, values, strict=True):
            scope.add_update(pair)
        token = _current_scope.set(_Scope(scope, variables))
        try:
            yield scope
        finally:
            _current_scope.reset(token)


def record(fn, variables, inputs=()):
    outer = _current_scope.get()
    if outer is None:
        raise RuntimeError("On JAX `minimize` works only inside a training step: call `fit` or `train_on_batch`.")

    def pure(values, inputs):
        given = {id(v): outer.values.get_current_value(v) for v in outer.variables}
        given |= {id(v): value for v, value in zip(variables, values, strict=True)}
        with _stateless(outer.variables, given.values()) as scope:
            outputs = fn(*inputs)
            now = {id(v): scope.get_current_value(v) for v in outer.variables}
        # What the function changed on its way (batch statistics, seeds, metrics) leaves as an auxiliary output.
        return outputs, {key: value for key, value in now.items() if value is not given[key]}

    outputs, pull, changed = jax.vjp(pure, [v.value for v in variables], list(inputs), has_aux=True)
    for variable in outer.variables:
        if id(variable) in changed:
            outer.values.add_update((variable, changed[id(variable)]))
    return outputs, lambda slopes, by_inputs=False, keep=False: pull(slopes)[by_inputs]


def input_gradient(fn, x):
    return jax.grad(lambda x: keras.ops.sum(fn(x)))(x)


def value_and_input_gradient(fn, x):
    def total(x):
        value = fn(x)
        return keras.ops.sum(value), value

    (_, value), gradient = jax.value_and_grad(total, has_aux=True)(x)
    return value, gradient


def compile_inference(model, fn):
    variables = model.variables  # collected once: Keras walks through all layers for them

    @functools.partial(jax.jit, compiler_options=_compiler_options())
    def pure(state, *arrays):
        with keras.StatelessScope(zip(variables, state, strict=True)):
            return fn(*arrays)

    def run(batches, size):
        state = [v.value for v in variables]
        for batch in batches:
            yield pure(state, *(plain.padded(array, size) for array in batch))

    return run


@contextlib.contextmanager
def weights_kept(model):
    """Gives the model its weights back if what runs inside raises.

    Keras empties the variables before the first step, so a step that fails to compile would leave no weights.
    """
    variables = [*model.variables, *model.metrics_variables, *(model.optimizer.variables if model.optimizer else ())]
    values = [v.value for v in variables]
    try:
        yield
    except BaseException:
        for variable, value in zip(variables, values, strict=True):
            if not _has_value(variable) and not value.is_deleted():
                variable.assign(value)
        raise


def _has_value(variable):
    try:
        return variable.value is not None
    except TypeError:  # an empty variable tries to draw its initial value, whose initializer is gone
        return False


def _compiler_options():
    """Options for Eigen's convolutions, because YNNPACK's need half as long again; None where XLA takes no YNNPACK."""
    return None if keras.distribution.distribution() is not None else _eigen_convolutions()


@functools.cache
def _eigen_convolutions():
    option = "xla_cpu_experimental_ynn_fusion_type"
    if jax.default_backend() != "cpu" or option in os.environ.get("XLA_FLAGS", ""):
        return None
    options = {option: "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
    try:
        jax.jit(lambda: 0, compiler_options=options).lower().compile()
    except RuntimeError:  # another jaxlib, without this option
        return None
    return options


class _Quiet(keras.callbacks.CallbackList):
    """Callbacks that are told of no batch, for a fit that nobody watches: Keras uses a thread pool for every batch."""

    def on_train_batch_begin(self, batch, logs=None):
        pass

    def on_train_batch_end(self, batch, logs=None):
        pass


class TrainingStep:
    def __setattr__(self, name, value):
        if name == borrowed.state.found:  # set after every step; Keras tracks all that it holds already
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def make_train_function(self, force=False):
        made = self.train_function is not None and not force
        # Several steps per execution are left to Keras, which from 3.16 on makes one program of them.
        as_keras = self.run_eagerly or not self.jit_compile or self.steps_per_execution > 1
        if made or as_keras or _compiler_options() is None:
            return super().make_train_function(force)
        step = jax.jit(self.train_step, donate_argnums=0, compiler_options=_compiler_options())
        self.train_function = lambda state, batches: step(state, next(batches))

    def fit(self, *args, verbose="auto", callbacks=None, **kwargs):
        if not verbose and not callbacks:
            callbacks = _Quiet(add_history=True, model=self, verbose=0, epochs=kwargs.get("epochs", 1), steps=None)
        history = super().fit(*args, verbose=verbose, callbacks=callbacks, **kwargs)
        if borrowed.state.found is not None and borrowed.state.found not in vars(self):
            borrowed.state.refuse("Keras does not set it")
        return history

    def train_step(self, state, data):
        groups = (
            self.trainable_variables,
            self.non_trainable_variables,
            self.optimizer.variables,
            self.metrics_variables,
        )
        return self._stateless_step(groups, state, data, training=True)

    def test_step(self, state, data):
        groups = (self.trainable_variables, self.non_trainable_variables, self.metrics_variables)
        return self._stateless_step(groups, state, data, training=False)

    def _stateless_step(self, groups, state, data, training):
        variables, values = ([each for part in parts for each in part] for parts in (groups, state))
        with _stateless(variables, values) as scope:
            self.run_step(data, training)
            logs = self.get_metrics_result()
        return logs, tuple([scope.get_current_value(v) for v in group] for group in groups)


def conv(x, kernel, bias=None, **options):
    return _on_cpu(convolution.conv, plain.conv, x, kernel, bias, **options)


def conv_transpose(x, kernel, bias=None, **options):
    return _on_cpu(convolution.conv_transpose, plain.conv_transpose, x, kernel, bias, **options)


def _on_cpu(convolve, elsewhere, x, kernel, bias, strides, padding, data_format):
    if data_format != "channels_last" or jax.default_backend() != "cpu":
        return elsewhere(x, kernel, bias, strides=strides, padding=padding, data_format=data_format)
    kernel = keras.ops.convert_to_tensor(kernel)
    x = convolve(keras.ops.convert_to_tensor(x, kernel.dtype), kernel, strides, padding)
    return x if bias is None else x + bias


def normal(shape, seed_generator):
    with _cheap_bits():
        return plain.normal(shape, seed_generator)


def uniform(shape, seed_generator):
    with _cheap_bits():
        return plain.uniform(shape, seed_generator)


def dropout(x, rate, seed_generator):
    threshold = round(rate * 2**16)
    if not 0 < threshold < 2**16:
        return plain.dropout(x, rate, seed_generator)
    with _cheap_bits():
        bits = jax.random.bits(seed_generator.next(), (-(-x.size // 2),), "uint32")
    # Two decisions from every 32 random bits.
    chances = jax.lax.bitcast_convert_type(bits, "uint16").reshape(-1)[: x.size].reshape(x.shape)
    return jnp.where(chances >= threshold, x / (1 - rate), 0)


def _cheap_bits():
    return contextlib.nullcontext() if keras.distribution.distribution() else borrowed.cheap_bits()
