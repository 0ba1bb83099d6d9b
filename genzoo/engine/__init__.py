"""The only rooms that know a backend.

Each backend module offers the same names; the one that Keras runs on is chosen here, once, at import. Training:

- ``TrainingStep``: a mixin that gives a model Keras' ``train_step`` and ``test_step`` on top of its ``run_step``;
- ``record(fn, variables, inputs)``: what ``fn`` returns, and its gradients on demand;
- ``input_gradient(fn, x)``: the gradient of ``sum(fn(x))`` by ``x``, itself differentiable (gradient penalties);
- ``value_and_input_gradient(fn, x)``: ``fn(x)`` and that gradient, both without a gradient of their own;
- ``update(optimizer, gradients, variables)``: one update by a Keras optimizer;
- ``feed(batches)``: what Keras' ``fit`` shall read ``ImageBatches`` from;
- ``compile_inference(model, fn)``: a function of batches of arrays, and of their ``size``, that yields ``fn(*batch)``,
  compiled, without gradients. The result of a short batch may have more rows than the batch;
- ``export(path, format, endpoints, verbose)``: writes functions of tensors as an artifact that needs no Keras;
- ``fill(array, tensor)``: writes the tensor's first rows into an array; waits until they are computed;
- ``initializer(given)``: a Keras initializer, or a function with the same values but for rounding that is cheaper;
- ``build_optimizer(optimizer, variables)``: makes a Keras optimizer's state, so that ``update`` finds it;
- ``pin_seeds(layers)``: makes all randomness of new layers come from state that a file can hold;
- ``weights_kept(model)``: a context from which the model comes out with its weights even if a step raises.

Arithmetic, as in ``plain`` but faster where a backend's Keras is slow: ``normal``, ``uniform``, ``dropout``, ``dense``,
``conv``, ``conv_transpose``, ``batch_norm``, ``normalise``, ``leaky_relu``.

``in_phase``, ``seeded`` and what ``optimizers`` has are the same on all of them. Where a library has changed what a
backend module leans on, ``borrowed`` says what happens.
"""

import importlib
from typing import TYPE_CHECKING

import keras

from genzoo.engine import optimizers
from genzoo.engine.optimizers import averages_of, copied
from genzoo.engine.plain import seeded

_backend = keras.config.backend()
if _backend not in ("jax", "tensorflow", "torch"):
    raise ImportError(
        "genzoo trains on the Keras backends 'tensorflow', 'torch' and 'jax'. "
        f"Received: KERAS_BACKEND={_backend!r}. Set KERAS_BACKEND to one of the three before Python starts."
    )

_native = importlib.import_module(f"genzoo.engine.{_backend}")
if TYPE_CHECKING:

    class TrainingStep(keras.Model):
        """What type checkers know of it: it is a part of a ``keras.Model``."""

    class Averages(keras.optimizers.Optimizer):
        """It is a part of an optimizer."""

else:
    TrainingStep = _native.TrainingStep
    Averages = optimizers.Averages
batch_norm = _native.batch_norm
build_optimizer = _native.build_optimizer
compile_inference = _native.compile_inference
conv = _native.conv
conv_transpose = _native.conv_transpose
dense = _native.dense
dropout = _native.dropout
export = _native.export
feed = _native.feed
fill = _native.fill
initializer = _native.initializer
input_gradient = _native.input_gradient
leaky_relu = _native.leaky_relu
normal = _native.normal
normalise = _native.normalise
pin_seeds = _native.pin_seeds
record = _native.record
uniform = _native.uniform
update = _native.update
value_and_input_gradient = _native.value_and_input_gradient
weights_kept = _native.weights_kept

__all__ = [
    "Averages",
    "TrainingStep",
    "averages_of",
    "batch_norm",
    "build_optimizer",
    "compile_inference",
    "conv",
    "conv_transpose",
    "copied",
    "dense",
    "dropout",
    "export",
    "feed",
    "fill",
    "in_phase",
    "initializer",
    "input_gradient",
    "leaky_relu",
    "normal",
    "normalise",
    "pin_seeds",
    "record",
    "seeded",
    "uniform",
    "update",
    "value_and_input_gradient",
    "weights_kept",
]


class _Phase(keras.Layer):
    """Calls a function as if it were a layer, so that layers which it calls inherit ``training``."""

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
