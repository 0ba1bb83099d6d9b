"""The loops that genzoo is measured against, written by hand for JAX.

One jitted step whose state is donated. XLA's CPU backend runs the gradients of strided convolutions up to 40 times
slower than their arithmetic, so there ``strided`` and ``transposed`` are defined as each other's gradients.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, nn, random

RATE, LEAK, EPSILON, MOMENTUM = 0.3, 0.3, 1e-3, 0.99
ON_CPU = jax.default_backend() == "cpu"


class Loop:
    """Shuffled epochs over uint8 images, and running means of the losses on the device."""

    losses: tuple[str, ...]
    networks: dict[str, tuple[str, ...]]  # to the keys of the state that hold its weights

    def __init__(self, images, batch_size):
        self.images, self.batch_size = jax.device_put(images), batch_size
        self.random = np.random.default_rng(0)
        self.state = jax.jit(self.initial_state)(random.key(0))

    def epoch(self):
        self.state["totals"] = jnp.zeros(len(self.losses))
        steps = len(self.images) // self.batch_size
        for chosen in np.split(self.random.permutation(len(self.images)), steps):
            self.state = self.compiled_step(self.state, self.images, chosen)
        return dict(zip(self.losses, (np.asarray(self.state["totals"]) / steps).tolist(), strict=True))

    @functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
    def compiled_step(self, state, images, chosen):
        totals, key = state["totals"], state["key"]
        state["key"], key = random.split(key)
        with jax.threefry_partitionable(False):  # random bits at a third of the price on one device
            state, losses = self.step(state, images[chosen].astype("float32") / 255, key)
        return {**state, "totals": totals + jnp.stack(losses)}

    def weight_counts(self):
        """Weights and batch statistics, as Keras counts them."""
        weights = {name: jax.tree.leaves([self.state[key] for key in keys]) for name, keys in self.networks.items()}
        return {name: sum(w.size for w in leaves) for name, leaves in weights.items()}


class VAE(Loop):
    losses = ("loss", "reconstruction_loss", "kl_loss")
    networks = {"encoder": ("encoder",), "decoder": ("decoder",)}

    def initial_state(self, key):
        keys = random.split(key, 5)
        encoder = {
            "hidden": dense(keys[0], 784, 400),
            "mean": dense(keys[1], 400, 20),
            "log_variance": dense(keys[2], 400, 20),
        }
        decoder = {"hidden": dense(keys[3], 20, 400), "logits": dense(keys[4], 400, 784)}
        state = {"encoder": encoder, "decoder": decoder, "key": key, "totals": jnp.zeros(3)}
        return {**state, "adam": moments((encoder, decoder))}

    def step(self, state, x, key):
        @functools.partial(jax.value_and_grad, has_aux=True)
        def loss(weights):
            encoder, decoder = weights
            hidden = nn.relu(affine(flat, encoder["hidden"]))
            mean, log_variance = affine(hidden, encoder["mean"]), affine(hidden, encoder["log_variance"])
            z = mean + jnp.exp(0.5 * log_variance) * random.normal(key, mean.shape)
            logits = affine(nn.relu(affine(z, decoder["hidden"])), decoder["logits"])
            reconstruction = jnp.sum(nn.softplus(logits) - flat * logits) / len(x)
            kl = 0.5 * jnp.sum(mean**2 + jnp.exp(log_variance) - 1 - log_variance) / len(x)
            return reconstruction + kl, (reconstruction, kl)

        flat, weights = x.reshape(len(x), -1), (state["encoder"], state["decoder"])
        (value, parts), gradients = loss(weights)
        (encoder, decoder), moved = adam(weights, gradients, state["adam"], 1e-3)
        return {**state, "encoder": encoder, "decoder": decoder, "adam": moved}, (value, *parts)


class DCGAN(Loop):
    losses = ("discriminator_loss", "generator_loss")
    networks = {"generator": ("generator", "statistics"), "discriminator": ("discriminator",)}

    def initial_state(self, key):
        keys = random.split(key, 7)
        shapes = (100, 7 * 7 * 256), (5, 5, 128, 256), (5, 5, 64, 128), (5, 5, 1, 64)
        sizes = 7 * 7 * 256, 128, 64
        generator = {
            "kernels": [kernel(k, *shape) for k, shape in zip(keys, shapes, strict=False)],
            "norms": [(jnp.ones(size), jnp.zeros(size)) for size in sizes],
        }
        discriminator = {
            "convolutions": [
                (kernel(keys[4], 5, 5, 1, 64), jnp.zeros(64)),
                (kernel(keys[5], 5, 5, 64, 128), jnp.zeros(128)),
            ],
            "logit": dense(keys[6], 7 * 7 * 128, 1),
        }
        adam = {"generator": moments(generator), "discriminator": moments(discriminator)}
        statistics = [(jnp.zeros(size), jnp.ones(size)) for size in sizes]
        state = {"generator": generator, "discriminator": discriminator, "statistics": statistics, "adam": adam}
        return {**state, "key": key, "totals": jnp.zeros(2)}

    def step(self, state, x, key):
        real, keys = 2 * x - 1, random.split(key, 5)
        fake, statistics = generate(state["generator"], state["statistics"], keys[0], len(x))

        @jax.value_and_grad
        def discriminator_loss(weights):
            real_loss = nn.softplus(-discriminate(weights, real, keys[1])).mean()
            return real_loss + nn.softplus(discriminate(weights, fake, keys[2])).mean()

        loss, gradients = discriminator_loss(state["discriminator"])
        discriminator, d_adam = adam(state["discriminator"], gradients, state["adam"]["discriminator"], 1e-4)

        @functools.partial(jax.value_and_grad, has_aux=True)
        def generator_loss(weights):
            fake, changed = generate(weights, statistics, keys[3], len(x))
            return nn.softplus(-discriminate(discriminator, fake, keys[4])).mean(), changed

        (g_loss, statistics), gradients = generator_loss(state["generator"])
        generator, g_adam = adam(state["generator"], gradients, state["adam"]["generator"], 1e-4)
        optimizers = {"generator": g_adam, "discriminator": d_adam}
        moved = {"generator": generator, "discriminator": discriminator, "statistics": statistics, "adam": optimizers}
        return {**state, **moved}, (loss, g_loss)


def generate(weights, statistics, key, batch_size):
    kernels, changed = weights["kernels"], []

    def normalised(x):
        (scale, offset), (moving_mean, moving_variance) = weights["norms"][len(changed)], statistics[len(changed)]
        axes = tuple(range(x.ndim - 1))
        mean = x.mean(axes)
        variance = (x**2).mean(axes) - mean**2
        moving = zip((moving_mean, moving_variance), (mean, variance), strict=True)
        changed.append(tuple(MOMENTUM * old + (1 - MOMENTUM) * new for old, new in moving))
        return nn.leaky_relu((x - mean) * (lax.rsqrt(variance + EPSILON) * scale) + offset, LEAK)

    x = normalised(random.normal(key, (batch_size, 100)) @ kernels[0]).reshape(batch_size, 7, 7, 256)
    x = normalised(conv_transpose(x, kernels[1], 1))
    x = normalised(transposed(x, kernels[2]))
    return jnp.tanh(transposed(x, kernels[3])), changed


def discriminate(weights, x, key):
    for (kernel, bias), drop in zip(weights["convolutions"], random.split(key), strict=True):
        x = dropout(drop, nn.leaky_relu(strided(x, kernel) + bias, LEAK))
    return affine(x.reshape(len(x), -1), weights["logit"])


def dropout(key, x):
    """Two decisions from every 32 random bits."""
    bits = lax.bitcast_convert_type(random.bits(key, (x.size // 2,)), jnp.uint16).reshape(x.shape)
    return jnp.where(bits >= round(RATE * 2**16), x / (1 - RATE), 0)


def adam(weights, gradients, state, learning_rate):
    m, v, step = state
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
    rate = learning_rate * jnp.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
    return jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, m, v), (m, v, step + 1)


def moments(weights):
    return jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights), jnp.zeros(())


def kernel(key, *shape):
    """Keras' initial kernel, Glorot uniform."""
    limit = math.sqrt(6 / (math.prod(shape[:-2]) * (shape[-2] + shape[-1])))
    return random.uniform(key, shape, minval=-limit, maxval=limit)


def dense(key, size_in, size_out):
    return kernel(key, size_in, size_out), jnp.zeros(size_out)


def affine(x, layer):
    return x @ layer[0] + layer[1]


def conv(x, kernel, stride):
    return lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def conv_transpose(x, kernel, stride):
    return lax.conv_transpose(
        x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), transpose_kernel=True
    )


def sub_pixel(x, kernel):
    """The transpose of ``conv(..., 5x5 kernel, 2)`` as one 3x3 convolution to four interleaved images."""
    batch, height, width, channels = x.shape
    size = kernel.shape[2]
    taps = jnp.pad(kernel, ((1, 0), (1, 0), (0, 0), (0, 0))).reshape(3, 2, 3, 2, size, channels)
    taps = taps[::-1, :, ::-1].transpose(0, 2, 5, 1, 3, 4).reshape(3, 3, channels, 4 * size)
    parts = conv(x, taps, 1).reshape(batch, height, width, 2, 2, size)
    return parts.transpose(0, 1, 3, 2, 4, 5).reshape(batch, 2 * height, 2 * width, size)


def kernel_gradient(images, kernel, gradient):
    return jax.vjp(lambda kernel: conv(images, kernel, 2), kernel)[1](gradient)[0]


@jax.custom_vjp
def cpu_strided(x, kernel):
    return conv(x, kernel, 2)


@jax.custom_vjp
def cpu_transposed(x, kernel):
    return sub_pixel(x, kernel)


def strided_gradients(inputs, gradient):
    x, kernel = inputs
    return sub_pixel(gradient, kernel), kernel_gradient(x, kernel, gradient)


def transposed_gradients(inputs, gradient):
    x, kernel = inputs
    return conv(gradient, kernel, 2), kernel_gradient(gradient, kernel, x)


cpu_strided.defvjp(lambda x, kernel: (conv(x, kernel, 2), (x, kernel)), strided_gradients)
cpu_transposed.defvjp(lambda x, kernel: (sub_pixel(x, kernel), (x, kernel)), transposed_gradients)
strided = cpu_strided if ON_CPU else functools.partial(conv, stride=2)
transposed = cpu_transposed if ON_CPU else functools.partial(conv_transpose, stride=2)

MODELS = {"vae": VAE, "dcgan": DCGAN}
