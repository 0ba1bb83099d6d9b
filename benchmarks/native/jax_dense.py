"""Fully connected networks by hand for JAX: ``vae``, ``wgan-gp``, ``aae``."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import nn, random

from native.jax_loop import (
    Loop,
    adam,
    affine,
    glorot,
    he,
    in_batches,
    jitted,
    layers,
    linear,
    moments,
    momentum,
    perceptron,
    small_normal,
    unit_interval,
)

IMAGE_SHAPE = (28, 28, 1)
CRITIC_STEPS, PENALTY, CRITIC_LEAK = 5, 10.0, 0.2  # of the WGAN-GP


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
            encoder, decoder = self.cast(weights)
            mean, log_variance = (t.astype("float32") for t in posterior(encoder, self.cast(flat)))
            z = mean + jnp.exp(0.5 * log_variance) * random.normal(key, mean.shape)
            logits = perceptron(decoder, self.cast(z)).astype("float32")
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


def posterior(encoder, x):
    hidden = nn.relu(affine(x, encoder["hidden"]))
    return affine(hidden, encoder["mean"]), affine(hidden, encoder["log_variance"])


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


MODELS = {"vae": VAE, "wgan-gp": WGANGP, "aae": AAE}
