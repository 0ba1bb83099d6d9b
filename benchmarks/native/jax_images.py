"""Convolutions by hand for JAX: ``dcgan``.

XLA's CPU backend runs the gradients of strided convolutions up to 40 times slower than their arithmetic, so there
``DCGAN`` has convolutions of its own; ``TextbookDCGAN`` has the stock ones.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax, nn, random

from native.jax_loop import Loop, adam, affine, dense, glorot, in_batches, jitted, moments

ON_CPU = jax.default_backend() == "cpu"
RATE, LEAK, EPSILON, MOMENTUM = 0.3, 0.3, 1e-3, 0.99


class DCGAN(Loop):
    losses = ("discriminator_loss", "generator_loss")
    networks = {"generator": ("generator", "statistics"), "discriminator": ("discriminator",)}

    def initial_state(self, key):
        keys = random.split(key, 7)
        shapes = (100, 7 * 7 * 256), (5, 5, 128, 256), (5, 5, 64, 128), (5, 5, 1, 64)
        sizes = 7 * 7 * 256, 128, 64
        generator = {
            "kernels": [glorot(k, *shape) for k, shape in zip(keys, shapes, strict=False)],
            "norms": [(jnp.ones(size), jnp.zeros(size)) for size in sizes],
        }
        discriminator = {
            "convolutions": [
                (glorot(keys[4], 5, 5, 1, 64), jnp.zeros(64)),
                (glorot(keys[5], 5, 5, 64, 128), jnp.zeros(128)),
            ],
            "logit": dense(keys[6], 7 * 7 * 128, 1),
        }
        adam = {"generator": moments(generator), "discriminator": moments(discriminator)}
        statistics = [(jnp.zeros(size), jnp.ones(size)) for size in sizes]
        state = {"generator": generator, "discriminator": discriminator, "statistics": statistics, "adam": adam}
        return {**state, "key": key, "totals": jnp.zeros(2)}

    def step(self, state, x, key):
        real, keys = 2 * x - 1, random.split(key, 5)
        noise = random.normal(keys[0], (2, len(x), 100))
        fake, statistics = self.generate(state["generator"], state["statistics"], noise[0])

        @jax.value_and_grad
        def discriminator_loss(weights):
            real_loss = nn.softplus(-self.discriminate(weights, real, keys[1])).mean()
            return real_loss + nn.softplus(self.discriminate(weights, fake, keys[2])).mean()

        loss, gradients = discriminator_loss(state["discriminator"])
        discriminator, d_adam = adam(state["discriminator"], gradients, state["adam"]["discriminator"], 1e-4)

        @functools.partial(jax.value_and_grad, has_aux=True)
        def generator_loss(weights):
            fake, changed = self.generate(weights, statistics, noise[1])
            return nn.softplus(-self.discriminate(discriminator, fake, keys[3])).mean(), changed

        (g_loss, statistics), gradients = generator_loss(state["generator"])
        generator, g_adam = adam(state["generator"], gradients, state["adam"]["generator"], 1e-4)
        optimizers = {"generator": g_adam, "discriminator": d_adam}
        moved = {"generator": generator, "discriminator": discriminator, "statistics": statistics, "adam": optimizers}
        return {**state, **moved}, (loss, g_loss)

    def generate(self, weights, statistics, z, training=True):
        """Images in [-1, 1], and the statistics as the batch moves them."""
        kernels, changed = self.cast(weights["kernels"]), []

        def normalised(x):
            x = x.astype("float32")
            (scale, offset), moving = weights["norms"][len(changed)], statistics[len(changed)]
            mean, variance = batch = mean_and_variance(x) if training else moving
            changed.append([MOMENTUM * old + (1 - MOMENTUM) * new for old, new in zip(moving, batch, strict=True)])
            return self.cast(nn.leaky_relu((x - mean) * (lax.rsqrt(variance + EPSILON) * scale) + offset, LEAK))

        x = normalised(self.cast(z) @ kernels[0]).reshape(len(z), 7, 7, 256)
        x = normalised(conv_transpose(x, kernels[1], 1))
        x = normalised(self.transposed(x, kernels[2]))
        return jnp.tanh(self.transposed(x, kernels[3]).astype("float32")), changed

    def discriminate(self, weights, x, key):
        weights, x = self.cast(weights), self.cast(x)
        for (kernel, bias), drop in zip(weights["convolutions"], random.split(key), strict=True):
            x = self.dropout(drop, nn.leaky_relu(self.strided(x, kernel) + bias, LEAK))
        return affine(x.reshape(len(x), -1), weights["logit"]).astype("float32")

    def strided(self, x, kernel):
        return strided_on_cpu(x, kernel) if ON_CPU else conv(x, kernel, 2)

    def transposed(self, x, kernel):
        return transposed_on_cpu(x, kernel) if ON_CPU else conv_transpose(x, kernel, 2)

    def dropout(self, key, x):
        """Two decisions from every 32 random bits."""
        bits = lax.bitcast_convert_type(random.bits(key, (x.size // 2,)), jnp.uint16).reshape(x.shape)
        return jnp.where(bits >= round(RATE * 2**16), x / (1 - RATE), 0)

    def sample(self, n, batch_size=256):
        z = self.random.standard_normal((n, 100), "float32")
        return in_batches(self.decoded, (self.state["generator"], self.state["statistics"]), z, batch_size=batch_size)

    @jitted
    def decoded(self, weights, z):
        return 0.5 + 0.5 * self.generate(*weights, z, training=False)[0]


class TextbookDCGAN(DCGAN):
    """What one writes before one measures: stock convolutions with their stock gradients, and stock dropout."""

    def strided(self, x, kernel):
        return conv(x, kernel, 2)

    def transposed(self, x, kernel):
        return conv_transpose(x, kernel, 2)

    def dropout(self, key, x):
        return jnp.where(random.bernoulli(key, 1 - RATE, x.shape), x / (1 - RATE), 0)


def mean_and_variance(x):
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    return mean, (x**2).mean(axes) - mean**2


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
def strided_on_cpu(x, kernel):
    return conv(x, kernel, 2)


@jax.custom_vjp
def transposed_on_cpu(x, kernel):
    return sub_pixel(x, kernel)


def strided_gradients(inputs, gradient):
    x, kernel = inputs
    return sub_pixel(gradient, kernel), kernel_gradient(x, kernel, gradient)


def transposed_gradients(inputs, gradient):
    x, kernel = inputs
    return conv(gradient, kernel, 2), kernel_gradient(gradient, kernel, x)


strided_on_cpu.defvjp(lambda x, kernel: (conv(x, kernel, 2), (x, kernel)), strided_gradients)
transposed_on_cpu.defvjp(lambda x, kernel: (sub_pixel(x, kernel), (x, kernel)), transposed_gradients)


MODELS = {"dcgan": DCGAN, "dcgan:textbook": TextbookDCGAN}
