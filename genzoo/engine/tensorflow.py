"""TensorFlow: variables are stateful, gradients come from a tape."""

import contextlib

import keras
import tensorflow as tf


def value_and_grad(loss_fn, variables):
    values = [v.value for v in variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        loss = loss_fn()
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        scaled = loss / replicas if replicas > 1 else loss  # Keras optimizers sum gradients over replicas
    return loss, tape.gradient(scaled, values)


def input_gradient(fn, x):
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        total = keras.ops.sum(fn(x))
    return tape.gradient(total, x)


def compile_inference(model, fn):
    graphs = {}  # one for all batch sizes

    def run(*arrays):
        tensors = [tf.convert_to_tensor(a) for a in arrays]
        signature = tuple(tf.TensorSpec([None, *t.shape[1:]], t.dtype) for t in tensors)
        if signature not in graphs:
            graphs[signature] = tf.function(fn, autograph=False).get_concrete_function(*signature)
        return graphs[signature](*tensors).numpy()

    return run


def weights_kept(model):
    """Nothing to do: variables keep their values here whatever raises."""
    return contextlib.nullcontext()


def pin_seeds(layers):
    """Nothing to do: every seed generator draws from its own state here."""


class TrainingStep:
    def train_step(self, data):
        self.run_step(data, training=True)
        return self.get_metrics_result()

    def test_step(self, data):
        self.run_step(data, training=False)
        return self.get_metrics_result()
