"""The only rooms that know a backend.

Each backend module offers the same six names; the one that Keras runs on is chosen here, once, at import:

- ``TrainingStep``: a mixin that gives a model Keras' ``train_step`` and ``test_step`` on top of its ``run_step``;
- ``value_and_grad(loss_fn, variables)``: a scalar loss and its gradients;
- ``input_gradient(fn, x)``: the gradient of ``sum(fn(x))`` by ``x``, itself differentiable (gradient penalties);
- ``compile_inference(model, fn)``: ``fn`` from arrays to NumPy arrays, compiled, without gradients;
- ``pin_seeds(layers)``: makes all randomness of new layers come from state that a file can hold;
- ``weights_kept(model)``: a context from which the model comes out with its weights even if a step raises.

``in_phase`` is the same on all of them.
"""

import importlib

import keras

_backend = keras.config.backend()
if _backend not in ("jax", "tensorflow", "torch"):
    raise ImportError(
        "genzoo trains on the Keras backends 'tensorflow', 'torch' and 'jax'. "
        f"Received: KERAS_BACKEND={_backend!r}. Set KERAS_BACKEND to one of the three before Python starts."
    )

_native = importlib.import_module(f"genzoo.engine.{_backend}")
TrainingStep = _native.TrainingStep
compile_inference = _native.compile_inference
input_gradient = _native.input_gradient
pin_seeds = _native.pin_seeds
value_and_grad = _native.value_and_grad
weights_kept = _native.weights_kept

__all__ = [
    "TrainingStep",
    "compile_inference",
    "in_phase",
    "input_gradient",
    "pin_seeds",
    "value_and_grad",
    "weights_kept",
]


class _Phase(keras.Layer):
    """Calls a function as if it were a layer, so that the layers inside it inherit ``training``."""

    def call(self, fn=None, training=None):
        try:
            return fn(), None
        except Exception as error:  # handed out, because Keras would bury it under "Arguments received by call()"
            return None, error


_phase = _Phase(dtype="float32", autocast=False, name="phase")


def in_phase(fn, training: bool):
    """Returns ``fn()``; every layer called in it runs with this ``training`` unless told otherwise.

    Without it ``self.generator(z)`` in a custom step means inference: dropout is off and batch
    normalisation never learns its statistics.
    """
    result, error = _phase(fn=fn, training=training)
    if error is not None:
        raise error
    return result
