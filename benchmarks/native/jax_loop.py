"""What the loops by hand for JAX share: one jitted step whose state is donated, optimizers, weights, networks."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import nn, random

jitted = functools.partial(jax.jit, static_argnums=0)


class Loop:
    """Shuffled epochs over uint8 images, and running means of the losses on the device."""

    losses: tuple[str, ...]
    networks: dict[str, tuple[str, ...]]  # to the keys of the state that hold its weights

    def __init__(self, images, batch_size, dtype="float32"):
        self.images, self.batch_size, self.dtype = jax.device_put(images), batch_size, dtype
        self.random = np.random.default_rng(0)
        self.state = jax.jit(self.initial_state)(random.key(0))

    def epoch(self):
        self.state["totals"] = jnp.zeros(len(self.losses))
        steps = len(self.images) // self.batch_size
        for chosen in np.split(self.random.permutation(len(self.images)), steps):
            self.state = self.compiled_step(self.state, self.images, chosen)
        return dict(zip(self.losses, (np.asarray(self.state["totals"]) / steps).tolist(), strict=True))

    @functools.partial(jitted, donate_argnums=1)
    def compiled_step(self, state, images, chosen):
        totals, key = state["totals"], state["key"]
        state["key"], key = random.split(key)
        with jax.threefry_partitionable(False):  # random bits at a third of the price on one device
            state, losses = self.step(state, unit_interval(images[chosen]), key)
        return {**state, "totals": totals + jnp.stack(losses)}

    def cast(self, tree):
        """To the dtype in which the networks compute; weights, statistics and losses are float32."""
        return jax.tree.map(lambda x: x.astype(self.dtype), tree)

    def weight_counts(self):
        """Weights and batch statistics, as Keras counts them."""
        weights = {name: jax.tree.leaves([self.state[key] for key in keys]) for name, keys in self.networks.items()}
        return {name: sum(w.size for w in leaves) for name, leaves in weights.items()}


# Optimizers.


def adam(weights, gradients, state, learning_rate, beta_1=0.9, beta_2=0.999):
    m, v, step = state
    m = jax.tree.map(lambda m, g: beta_1 * m + (1 - beta_1) * g, m, gradients) if beta_1 else gradients
    v = jax.tree.map(lambda v, g: beta_2 * v + (1 - beta_2) * g * g, v, gradients)
    rate = learning_rate * jnp.sqrt(1 - beta_2 ** (step + 1)) / (1 - beta_1 ** (step + 1))
    return jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, m, v), (m, v, step + 1)


def moments(weights):
    return jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights), jnp.zeros(())


def momentum(weights, gradients, velocities, learning_rate, decay):
    velocities = jax.tree.map(lambda v, g: decay * v - learning_rate * g, velocities, gradients)
    return jax.tree.map(jnp.add, weights, velocities), velocities


# Initial weights.


def glorot(key, *shape):
    """Uniform, as Keras has it by default."""
    limit = math.sqrt(6 / (math.prod(shape[:-2]) * (shape[-2] + shape[-1])))
    return random.uniform(key, shape, minval=-limit, maxval=limit)


def he(key, size_in, size_out):
    limit = math.sqrt(6 / size_in)
    return random.uniform(key, (size_in, size_out), minval=-limit, maxval=limit)


def small_normal(key, *shape):
    return 0.01 * random.normal(key, shape)


def linear(key, size_in, size_out):
    """Kernel and bias as PyTorch has them by default."""
    limit = size_in**-0.5
    both = random.uniform(key, (size_in + 1, size_out), minval=-limit, maxval=limit)
    return both[:-1], both[-1]


def dense(key, size_in, size_out, initial=glorot):
    return initial(key, size_in, size_out), jnp.zeros(size_out)


def layers(key, initial, *sizes):
    keys = random.split(key, len(sizes) - 1)
    return [dense(k, *pair, initial) for k, pair in zip(keys, itertools.pairwise(sizes), strict=True)]


# Networks.


def affine(x, layer):
    return x @ layer[0] + layer[1]


def perceptron(layers, x, activation=nn.relu):
    for layer in layers[:-1]:
        x = activation(affine(x, layer))
    return affine(x, layers[-1])


def unit_interval(images):
    return images.astype("float32") / 255


def in_batches(function, weights, *arrays, batch_size):
    starts = range(0, len(arrays[0]), batch_size)
    results = [function(weights, *(array[i : i + batch_size] for array in arrays)) for i in starts]
    return np.concatenate(results)
