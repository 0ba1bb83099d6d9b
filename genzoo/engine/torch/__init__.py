"""PyTorch: the first steps run eagerly, later ones are replayed. Only ``record`` makes autograd record."""

import itertools

import keras
import numpy as np
import torch

from genzoo.data.batches import power_of_two, split_batch
from genzoo.engine.moments import build_optimizer  # noqa: F401
from genzoo.engine.plain import export, initializer, padded, weights_kept  # noqa: F401  (some are offered as they are)
from genzoo.engine.torch import borrowed
from genzoo.engine.torch.arithmetic import (  # noqa: F401
    batch_norm,
    conv,
    conv_transpose,
    dense,
    leaky_relu,
    normalise,
)
from genzoo.engine.torch.random import dropout, normal, uniform  # noqa: F401
from genzoo.engine.torch.recording import Recorded
from genzoo.engine.torch.updates import update  # noqa: F401


def record(fn, variables, inputs=()):
    with torch.enable_grad():
        inputs = [x.detach().requires_grad_(True) for x in inputs]
        outputs = fn(*inputs)

    def pull(slopes, by_inputs=False, keep=False):
        # autograd.grad, not backward: gradients must not accumulate in the other player's networks.
        targets = inputs if by_inputs else [v.value for v in variables]
        return torch.autograd.grad(outputs, targets, slopes, keep, allow_unused=True, materialize_grads=by_inputs)

    return keras.tree.map_structure(torch.Tensor.detach, outputs), pull


def input_gradient(fn, x):
    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_(True)
        return torch.autograd.grad(fn(x).sum(), x, create_graph=True)[0]


def value_and_input_gradient(fn, x):
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        value = fn(x)
        return value.detach(), torch.autograd.grad(value.sum(), x)[0]


def compile_inference(model, fn):
    recorded = Recorded(lambda *tensors: [fn(*tensors)], state=lambda: [v.value for v in model.variables])

    def run(batches, size):
        device = _device()
        for batch in batches:
            rows = min(size, power_of_two(len(batch[0])))  # so that no more than a few sizes are recorded
            (result,) = recorded(*[_tensor(padded(array, rows), device) for array in batch])
            yield result

    return run


def fill(array, tensor):
    torch.from_numpy(array).copy_(tensor[: len(array)])


def _tensor(array, device):
    """The array as a tensor on the device. On a CPU they share memory where PyTorch can; Keras would copy."""
    if isinstance(array, np.ndarray) and array.dtype.kind in "biuf":
        array = np.ascontiguousarray(array)
        if array.flags.writeable:
            return torch.from_numpy(array).to(device)
    return keras.ops.convert_to_tensor(array)


def _device():
    """The device of Keras' tensors. Asking Keras for every batch costs more than a small operation."""
    return keras.ops.convert_to_tensor(0).device


def feed(batches):
    return _Loader(batches)


class _Loader(torch.utils.data.DataLoader):
    """The batches as tensors, without the overhead of PyTorch's collation."""

    def __init__(self, batches):
        super().__init__(object() if batches.endless else batches, batch_size=None)  # Keras asks for its length
        self._batches = batches

    def __iter__(self):
        batches, device = self._batches, _device()
        batches.on_epoch_begin()
        for i in itertools.count() if batches.endless else range(len(batches)):
            yield tuple(_tensor(array, device) for array in batches[i])


def pin_seeds(layers):
    """Makes dropout draw from its own saved seed.

    Keras' torch backend sends a ``Dropout`` without a seed to torch's global generator, which no file restores.
    """
    for layer in layers:
        generator = getattr(layer, "seed_generator", None)
        if isinstance(generator, keras.random.SeedGenerator) and borrowed.pin_seed.found is not None:
            borrowed.pin_seed.found(generator)


class _InLine(keras.callbacks.Callback):
    """Listens to batches. Where no callback does, Keras runs all of them in a second thread, which takes longer."""

    def on_train_batch_end(self, batch, logs=None):
        pass


class TrainingStep:
    def fit(self, *args, callbacks=None, **kwargs):
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = [*keras.tree.flatten(callbacks or []), _InLine()]
        return super().fit(*args, callbacks=callbacks, **kwargs)

    def train_step(self, data):
        with torch.no_grad():
            self.run_step(data, training=True)
        return self.get_metrics_result()

    def test_step(self, data):
        with torch.no_grad():
            self.run_step(data, training=False)
        return self.get_metrics_result()

    def make_train_function(self, force=False):
        if self.jit_compile:
            super().make_train_function(force)
        elif self.train_function is None or force:
            self.train_function = self._function_of_batches("train_step", training=True)

    def make_test_function(self, force=False):
        if self.jit_compile:
            super().make_test_function(force)
        elif self.test_function is None or force:
            self.test_function = self._function_of_batches("test_step", training=False)

    def make_predict_function(self, force=False):
        if self.jit_compile or self.steps_per_execution == 1:
            super().make_predict_function(force)
        elif self.predict_function is None or force:
            self.predict_function = self._predict_batches

    @torch.no_grad()
    def _predict_batches(self, batches):
        return keras.tree.map_structure(lambda *parts: torch.cat(parts), *map(self.predict_step, batches))

    def _function_of_batches(self, name, training):
        step = getattr(self, name)
        if not self.run_eagerly and getattr(step, "__func__", None) is getattr(TrainingStep, name):
            step = self._recorded_step(training)

        def function(batches):
            for batch in batches:
                logs = step(batch)
            return logs

        return function

    def _recorded_step(self, training):
        names, eagerly = [], self.train_step if training else self.test_step

        def step(x, y):
            self.run_step((x, y), training)
            logs = self.get_metrics_result()
            names[:] = logs
            return list(logs.values())

        def state():
            return [v.value for v in (*self.variables, *self.metrics_variables, *self.optimizer.variables)]

        # One for each mode of the module, because PyTorch's own layers, which a network may hold, obey it.
        recorded = {mode: Recorded(step, state) for mode in (True, False)}

        def replayed(batch):
            x, y = split_batch(batch)
            if not (y is None or _is_numeric(y)):  # labels that the model may well ignore
                return eagerly(batch)
            x, y = (part if part is None else keras.ops.convert_to_tensor(part) for part in (x, y))
            return dict(zip(names, recorded[self.training](x, y), strict=True))

        return replayed


def _is_numeric(x):
    return isinstance(x, torch.Tensor) or getattr(getattr(x, "dtype", None), "kind", None) in tuple("biuf")
