"""TensorFlow: variables are stateful, gradients come from a tape."""

import keras
import tensorflow as tf

from genzoo.engine import plain
from genzoo.engine.moments import build_optimizer  # noqa: F401
from genzoo.engine.plain import (  # noqa: F401
    dense,
    fill,
    initializer,
    normal,
    normalise,
    pin_seeds,
    uniform,
    weights_kept,
)
from genzoo.engine.tensorflow.arithmetic import batch_norm, conv, conv_transpose, dropout, leaky_relu  # noqa: F401
from genzoo.engine.tensorflow.feeding import feed  # noqa: F401
from genzoo.engine.tensorflow.updates import update  # noqa: F401


def record(fn, variables, inputs=()):
    values, inputs = [v.value for v in variables], list(inputs)
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch([*values, *inputs])
        outputs = fn(*inputs)

    def pull(slopes, by_inputs=False, keep=False):
        if by_inputs:
            return tape.gradient(outputs, inputs, slopes, unconnected_gradients="zero")
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:  # Keras optimizers sum gradients over replicas
            slopes = tf.nest.map_structure(lambda slope: slope / replicas, slopes)
        return tape.gradient(outputs, values, slopes)

    return outputs, pull


def input_gradient(fn, x):
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        total = keras.ops.sum(fn(x))
    return tape.gradient(total, x)


def value_and_input_gradient(fn, x):
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        value = fn(x)
    return value, tape.gradient(value, x)


def compile_inference(model, fn):
    on_batch = _any_batch_size(fn)
    return lambda batches, size: (on_batch(*batch) for batch in batches)


def _any_batch_size(fn, **options):
    """``fn`` of tensors or arrays, as one graph for all sizes of their first axis."""
    graphs = {}

    def run(*given):
        kind = tuple((x.dtype, *x.shape[1:]) for x in given)
        tensors = [tf.convert_to_tensor(x) for x in given]
        if kind not in graphs:
            specs = [tf.TensorSpec([None, *t.shape[1:]], t.dtype) for t in tensors]
            # Of positional arguments only: TensorFlow tries a concrete function with defaults twice at every call.
            graph = tf.function(lambda *tensors: fn(*tensors), autograph=False, **options)
            graphs[kind] = graph.get_concrete_function(*specs)
        return graphs[kind](*tensors)

    return run


def export(path, format, endpoints, verbose):
    if format != "tf_saved_model":
        plain.export(path, format, endpoints, verbose)
    archive = keras.export.ExportArchive()
    for name, (fn, inputs) in endpoints.items():
        archive.add_endpoint(name, fn, inputs)
    archive.write_out(path, verbose=verbose)


class TrainingStep:
    def __init__(self, **kwargs):  # no *args, which would count among a model's own options
        super().__init__(**kwargs)
        # Where its variables lie, and so where it trains.
        self._strategy = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None

    def train_step(self, data):
        self.run_step(data, training=True)
        return self.get_metrics_result()

    def test_step(self, data):
        self.run_step(data, training=False)
        return self.get_metrics_result()

    def fit(self, *args, **kwargs):
        with self._scope():  # where the data set finds the strategy
            return super().fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        with self._scope():
            return super().evaluate(*args, **kwargs)

    def make_train_function(self, force=False):
        if self.train_function is None or force:
            super().make_train_function(force)
            self.train_function = self._direct(self.train_step) or self.train_function

    def make_test_function(self, force=False):
        if self.test_function is None or force:
            super().make_test_function(force)
            self.test_function = self._direct(self.test_step) or self.test_function

    def _scope(self):
        return (self._strategy or tf.distribute.get_strategy()).scope()

    def _direct(self, step):
        """A function of batches that runs the step alone; None where Keras' own is needed.

        Keras' function also serves replicas and several steps per call, which costs time at every step.
        """
        if self.run_eagerly or self.steps_per_execution > 1 or tf.distribute.has_strategy() or self._strategy:
            return None
        on_tensors = _any_batch_size(lambda *data: step(data), jit_compile=self.jit_compile)
        on_data = tf.function(step, jit_compile=self.jit_compile, reduce_retracing=True, autograph=False)
        on_iterator = tf.function(lambda iterator: on_data(next(iterator)), reduce_retracing=True, autograph=False)

        def function(iterator):
            if isinstance(iterator, tf.data.Iterator):
                return on_iterator(iterator)
            data = next(iterator)
            return on_tensors(*data) if all(map(tf.is_tensor, data)) else on_data(data)

        return function
