"""What the loops by hand for TensorFlow share.

One ``tf.function`` per step, fed by ``tf.data``; optimizers and batch normalisation are TensorFlow's fused kernels.
"""

import itertools
import math

import numpy as np
import tensorflow as tf


class Adam:
    """Adam in TensorFlow's own kernel, one call per variable."""

    def __init__(self, variables, learning_rate, beta_1=0.9, beta_2=0.999):
        self.variables = variables
        self.learning_rate, self.beta_1, self.beta_2 = learning_rate, beta_1, beta_2
        self.slots = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables]
        self.step = tf.Variable(0.0)

    def apply(self, gradients):
        step = self.step.assign_add(1.0)
        power_1, power_2 = self.beta_1**step, self.beta_2**step
        for variable, (m, v), gradient in zip(self.variables, self.slots, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=m.handle, v=v.handle, grad=gradient, lr=self.learning_rate,
                beta1=self.beta_1, beta2=self.beta_2, epsilon=1e-7, beta1_power=power_1, beta2_power=power_2,
            )  # fmt: skip


class Momentum:
    """Keras' SGD with momentum in TensorFlow's own kernel."""

    def __init__(self, variables, learning_rate, momentum):
        self.variables = variables
        self.learning_rate, self.momentum = learning_rate, momentum
        self.velocities = [tf.Variable(tf.zeros_like(v)) for v in variables]

    def apply(self, gradients):
        for variable, velocity, gradient in zip(self.variables, self.velocities, gradients, strict=True):
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=variable.handle, accum=velocity.handle, grad=gradient, lr=self.learning_rate,
                momentum=self.momentum,
            )  # fmt: skip


class Loop:
    """Shuffled epochs over uint8 images, and running means of the losses on the device."""

    losses: tuple[str, ...]

    def __init__(self, images, batch_size):
        steps = len(images) // batch_size
        images = tf.constant(images)
        chosen = tf.data.Dataset.range(len(images)).shuffle(len(images)).batch(batch_size, drop_remainder=True)
        self.batches = chosen.map(lambda i: tf.gather(images, i)).prefetch(tf.data.AUTOTUNE)
        self.steps, self.batch_size = steps, batch_size
        self.totals = tf.Variable(tf.zeros(len(self.losses)))
        self.networks = {}

    @tf.function
    def compiled_step(self, images):
        self.totals.assign_add(tf.stack(self.step(unit_interval(images))))

    def epoch(self):
        self.totals.assign(tf.zeros_like(self.totals))
        for images in self.batches:
            self.compiled_step(images)
        return dict(zip(self.losses, (self.totals.numpy() / self.steps).tolist(), strict=True))

    def minimize(self, loss_fn, optimizer):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(optimizer.variables)
            loss = loss_fn()
        optimizer.apply(tape.gradient(loss, optimizer.variables))
        return loss

    def weight_counts(self):
        """Weights and batch statistics, as Keras counts them."""
        return {name: sum(math.prod(v.shape) for v in variables) for name, variables in self.networks.items()}


# Initial weights.


def uniform(limit, *shape):
    return tf.Variable(tf.random.uniform(shape, -limit, limit))


def glorot(*shape):
    """Uniform, as Keras has it by default."""
    return uniform(math.sqrt(6.0 / (math.prod(shape[:-2]) * (shape[-2] + shape[-1]))), *shape)


def he(size_in, size_out):
    return uniform(math.sqrt(6.0 / size_in), size_in, size_out)


def small_normal(*shape):
    return tf.Variable(tf.random.normal(shape, stddev=0.01))


def linear(size_in, size_out):
    """Kernel and bias as PyTorch has them by default."""
    return uniform(size_in**-0.5, size_in, size_out), uniform(size_in**-0.5, size_out)


def dense(size_in, size_out, initial=glorot):
    return initial(size_in, size_out), tf.Variable(tf.zeros(size_out))


def layers(initial, *sizes):
    return [dense(*pair, initial) for pair in itertools.pairwise(sizes)]


def variables(layers):
    return [variable for layer in layers for variable in layer]


# Networks.


def affine(x, layer):
    return tf.nn.bias_add(tf.matmul(x, layer[0]), layer[1])


def perceptron(layers, x, activation=tf.nn.relu):
    for layer in layers[:-1]:
        x = activation(affine(x, layer))
    return affine(x, layers[-1])


def unit_interval(images):
    return tf.cast(images, tf.float32) / 255.0


def normal(*shape):
    return np.random.default_rng().standard_normal(shape, "float32")


def in_batches(function, *arrays, batch_size):
    starts = range(0, len(arrays[0]), batch_size)
    results = [function(*(tf.constant(array[i : i + batch_size]) for array in arrays)) for i in starts]
    return np.concatenate([result.numpy() for result in results])
