"""JAX: state is explicit. A step that looks stateful runs inside one ``StatelessScope`` around the state tuple."""

import contextlib
import contextvars

import jax
import keras
import numpy as np

_scope = contextvars.ContextVar("genzoo_scope", default=None)


@contextlib.contextmanager
def _stateless(pairs):
    """A ``StatelessScope`` that ``value_and_grad`` finds again."""
    with keras.StatelessScope(pairs) as scope:
        token = _scope.set(scope)
        try:
            yield scope
        finally:
            _scope.reset(token)


def value_and_grad(loss_fn, variables):
    scope = _scope.get()
    if scope is None:
        raise RuntimeError("On JAX `minimize` works only inside a training step: call `fit` or `train_on_batch`.")

    def pure(values):
        before = dict(scope.state_mapping)
        scope.state_mapping.update((id(v), value) for v, value in zip(variables, values, strict=True))
        inputs = dict(scope.state_mapping)
        try:
            loss = loss_fn()
            # What the loss changed on its way (batch statistics, seeds, metrics) leaves as an auxiliary output.
            changed = {k: v for k, v in scope.state_mapping.items() if v is not inputs.get(k)}
        finally:
            scope.state_mapping.clear()
            scope.state_mapping.update(before)
        return loss, changed

    (loss, changed), gradients = jax.value_and_grad(pure, has_aux=True)([v.value for v in variables])
    scope.state_mapping.update(changed)
    return loss, gradients


def input_gradient(fn, x):
    return jax.grad(lambda x: keras.ops.sum(fn(x)))(x)


def compile_inference(model, fn):
    @jax.jit
    def pure(state, *arrays):
        with keras.StatelessScope(zip(model.variables, state, strict=True)):
            return fn(*arrays)

    return lambda *arrays: np.asarray(pure([v.value for v in model.variables], *arrays))


@contextlib.contextmanager
def weights_kept(model):
    """Gives the model its weights back if what runs inside raises.

    Keras takes them out of the variables before the first step; a step that then fails to trace would leave none.
    """
    variables = [*model.variables, *model.metrics_variables, *(model.optimizer.variables if model.optimizer else ())]
    values = [v.value for v in variables]
    try:
        yield
    except BaseException:
        for variable, value in zip(variables, values, strict=True):
            if variable._value is None and not value.is_deleted():
                variable._value = value
        raise


def pin_seeds(layers):
    """Nothing to do: every seed generator draws from its own state here."""


class TrainingStep:
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
        pairs = [pair for group, values in zip(groups, state, strict=True) for pair in zip(group, values, strict=True)]
        with _stateless(pairs) as scope:
            self.run_step(data, training)
            logs = self.get_metrics_result()
        return logs, tuple([scope.get_current_value(v) for v in group] for group in groups)
