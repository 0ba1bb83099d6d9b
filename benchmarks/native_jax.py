"""The loops and verbs that genzoo is measured against, written by hand for JAX.

One jitted step whose state is donated. XLA's CPU backend runs the gradients of strided convolutions up to 40 times
slower than their arithmetic, so there ``DCGAN`` has convolutions of its own; ``TextbookDCGAN`` has the stock ones.
"""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, nn, random

ON_CPU = jax.default_backend() == "cpu"
IMAGE_SHAPE = (28, 28, 1)
RATE, LEAK, EPSILON, MOMENTUM = 0.3, 0.3, 1e-3, 0.99  # of the DCGAN
CRITIC_STEPS, PENALTY, CRITIC_LEAK = 5, 10.0, 0.2  # of the WGAN-GP
jitted = functools.partial(jax.jit, static_argnums=0)


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

    @functools.partial(jitted, donate_argnums=1)
    def compiled_step(self, state, images, chosen):
        totals, key = state["totals"], state["key"]
        state["key"], key = random.split(key)
        with jax.threefry_partitionable(False):  # random bits at a third of the price on one device
            state, losses = self.step(state, unit_interval(images[chosen]), key)
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
        sizes = {"hidden": (784, 400), "mean": (400, 20), "log_variance": (400, 20)}
        encoder = {name: linear(k, *size) for k, (name, size) in zip(keys, sizes.items(), strict=False)}
        decoder = [linear(keys[3], 20, 400), linear(keys[4], 400, 784)]
        state = {"encoder": encoder, "decoder": decoder, "key": key, "totals": jnp.zeros(3)}
        return {**state, "adam": moments((encoder, decoder))}

    def step(self, state, x, key):
        @functools.partial(jax.value_and_grad, has_aux=True)
        def loss(weights):
            encoder, decoder = weights
            mean, log_variance = posterior(encoder, flat)
            z = mean + jnp.exp(0.5 * log_variance) * random.normal(key, mean.shape)
            logits = perceptron(decoder, z)
            reconstruction = jnp.sum(nn.softplus(logits) - flat * logits) / len(x)
            kl = 0.5 * jnp.sum(mean**2 + jnp.exp(log_variance) - 1 - log_variance) / len(x)
            return reconstruction + kl, (reconstruction, kl)

        flat, weights = x.reshape(len(x), -1), (state["encoder"], state["decoder"])
        (value, parts), gradients = loss(weights)
        (encoder, decoder), moved = adam(weights, gradients, state["adam"], 1e-3)
        return {**state, "encoder": encoder, "decoder": decoder, "adam": moved}, (value, *parts)

    def sample(self, n, batch_size=256):
        z = self.random.standard_normal((n, 20), "float32")
        return in_batches(self.decoded, self.state["decoder"], z, batch_size=batch_size)

    def encode(self, images, batch_size=256):
        return in_batches(self.encoded, self.state["encoder"], images, batch_size=batch_size)

    def log_likelihood(self, images, samples, batch_size=2048):
        noise = self.random.standard_normal((len(images), samples, 20), "float32")
        weights = self.state["encoder"], self.state["decoder"]
        return in_batches(self.estimated, weights, images, noise, batch_size=batch_size // samples)

    @jitted
    def decoded(self, decoder, z):
        return nn.sigmoid(perceptron(decoder, z)).reshape(-1, *IMAGE_SHAPE)

    @jitted
    def encoded(self, encoder, images):
        return posterior(encoder, unit_interval(images).reshape(len(images), -1))[0]

    @jitted
    def estimated(self, weights, images, noise):
        (encoder, decoder), x = weights, unit_interval(images).reshape(len(images), 1, -1)
        mean, log_variance = posterior(encoder, x)
        z = mean + jnp.exp(0.5 * log_variance) * noise
        logits = perceptron(decoder, z)
        log_ratio = 0.5 * jnp.sum(noise**2 + log_variance - z**2, 2) - jnp.sum(nn.softplus(logits) - x * logits, 2)
        return nn.logsumexp(log_ratio, 1) - math.log(noise.shape[1])


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
        kernels, changed = weights["kernels"], []

        def normalised(x):
            (scale, offset), moving = weights["norms"][len(changed)], statistics[len(changed)]
            mean, variance = batch = mean_and_variance(x) if training else moving
            changed.append([MOMENTUM * old + (1 - MOMENTUM) * new for old, new in zip(moving, batch, strict=True)])
            return nn.leaky_relu((x - mean) * (lax.rsqrt(variance + EPSILON) * scale) + offset, LEAK)

        x = normalised(z @ kernels[0]).reshape(len(z), 7, 7, 256)
        x = normalised(conv_transpose(x, kernels[1], 1))
        x = normalised(self.transposed(x, kernels[2]))
        return jnp.tanh(self.transposed(x, kernels[3])), changed

    def discriminate(self, weights, x, key):
        for (kernel, bias), drop in zip(weights["convolutions"], random.split(key), strict=True):
            x = self.dropout(drop, nn.leaky_relu(self.strided(x, kernel) + bias, LEAK))
        return affine(x.reshape(len(x), -1), weights["logit"])

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


class WGANGP(Loop):
    losses = ("discriminator_loss", "generator_loss")
    networks = {"generator": ("generator",), "discriminator": ("discriminator",)}

    def initial_state(self, key):
        keys = random.split(key)
        generator = layers(keys[0], he, 100, 512, 512, 512, 784)
        discriminator = layers(keys[1], glorot, 784, 512, 512, 512, 1)
        adam = {"generator": moments(generator), "discriminator": moments(discriminator)}
        state = {"generator": generator, "discriminator": discriminator, "adam": adam}
        return {**state, "key": key, "totals": jnp.zeros(2)}

    def step(self, state, x, key):
        noise_key, mix_key = random.split(key)
        noise = random.normal(noise_key, (CRITIC_STEPS + 1, len(x), 100))
        mixes = random.uniform(mix_key, (CRITIC_STEPS, len(x), 1))
        real, critic_losses = x.reshape(len(x), -1), []
        generator, discriminator = state["generator"], state["discriminator"]
        g_adam, d_adam = state["adam"]["generator"], state["adam"]["discriminator"]
        for z, mix in zip(noise, mixes, strict=False):
            fake = generate(generator, z)
            loss, gradients = jax.value_and_grad(critic_loss)(discriminator, real, fake, mix)
            discriminator, d_adam = adam(discriminator, gradients, d_adam, 1e-4, 0.0, 0.9)
            critic_losses.append(loss)

        @jax.value_and_grad
        def generator_loss(weights):
            return -criticise(discriminator, generate(weights, noise[-1])).mean()

        g_loss, gradients = generator_loss(generator)
        generator, g_adam = adam(generator, gradients, g_adam, 1e-4, 0.0, 0.9)
        moved = {"generator": generator, "discriminator": discriminator}
        optimizers = {"generator": g_adam, "discriminator": d_adam}
        return {**state, **moved, "adam": optimizers}, (sum(critic_losses) / CRITIC_STEPS, g_loss)


def generate(generator, z):
    return nn.sigmoid(perceptron(generator, z))


def criticise(discriminator, x):
    return perceptron(discriminator, x, functools.partial(nn.leaky_relu, negative_slope=CRITIC_LEAK))


def critic_loss(discriminator, real, fake, mix):
    slopes = jax.grad(lambda x: criticise(discriminator, x).sum())(mix * real + (1 - mix) * fake)
    penalty = jnp.mean((jnp.sqrt(jnp.sum(slopes**2, 1) + 1e-12) - 1) ** 2)
    fake_logits, real_logits = jnp.split(criticise(discriminator, jnp.concatenate([fake, real])), 2)
    return fake_logits.mean() - real_logits.mean() + PENALTY * penalty


class AAE(Loop):
    losses = ("autoencoder_loss", "discriminator_loss", "generator_loss")
    networks = {name: (name,) for name in ("encoder", "decoder", "discriminator")}

    def initial_state(self, key):
        sizes = {"encoder": (784, 1000, 1000, 8), "decoder": (8, 1000, 1000, 784), "discriminator": (8, 1000, 1000, 1)}
        keys = random.split(key, len(sizes))
        state = {name: layers(k, small_normal, *size) for k, (name, size) in zip(keys, sizes.items(), strict=True)}
        players = {
            "autoencoder": (state["encoder"], state["decoder"]),
            "discriminator": state["discriminator"],
            "generator": state["encoder"],
        }
        velocities = {player: jax.tree.map(jnp.zeros_like, weights) for player, weights in players.items()}
        return {**state, "velocities": velocities, "key": key, "totals": jnp.zeros(3)}

    def step(self, state, x, key):
        x, v = x.reshape(len(x), -1), state["velocities"]

        @jax.value_and_grad
        def autoencoder_loss(weights):
            encoder, decoder = weights
            return 0.5 * jnp.sum((x - nn.sigmoid(perceptron(decoder, perceptron(encoder, x)))) ** 2) / len(x)

        weights = state["encoder"], state["decoder"]
        a_loss, gradients = autoencoder_loss(weights)
        (encoder, decoder), a_velocity = momentum(weights, gradients, v["autoencoder"], 0.01, 0.9)
        both = jnp.concatenate([5 * random.normal(key, (len(x), 8)), perceptron(encoder, x)])

        @jax.value_and_grad
        def discriminator_loss(weights):
            prior_logits, code_logits = jnp.split(perceptron(weights, both), 2)
            return nn.softplus(-prior_logits).mean() + nn.softplus(code_logits).mean()

        d_loss, gradients = discriminator_loss(state["discriminator"])
        discriminator, d_velocity = momentum(state["discriminator"], gradients, v["discriminator"], 0.1, 0.1)

        @jax.value_and_grad
        def generator_loss(encoder):
            return nn.softplus(-perceptron(discriminator, perceptron(encoder, x))).mean()

        g_loss, gradients = generator_loss(encoder)
        encoder, g_velocity = momentum(encoder, gradients, v["generator"], 0.1, 0.1)
        velocities = {"autoencoder": a_velocity, "discriminator": d_velocity, "generator": g_velocity}
        moved = {"encoder": encoder, "decoder": decoder, "discriminator": discriminator, "velocities": velocities}
        return {**state, **moved}, (a_loss, d_loss, g_loss)


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


def posterior(encoder, x):
    hidden = nn.relu(affine(x, encoder["hidden"]))
    return affine(hidden, encoder["mean"]), affine(hidden, encoder["log_variance"])


def mean_and_variance(x):
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    return mean, (x**2).mean(axes) - mean**2


def unit_interval(images):
    return images.astype("float32") / 255


def in_batches(function, weights, *arrays, batch_size):
    starts = range(0, len(arrays[0]), batch_size)
    results = [function(weights, *(array[i : i + batch_size] for array in arrays)) for i in starts]
    return np.concatenate(results)


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

MODELS = {"vae": VAE, "dcgan": DCGAN, "dcgan:textbook": TextbookDCGAN, "wgan-gp": WGANGP, "aae": AAE}
