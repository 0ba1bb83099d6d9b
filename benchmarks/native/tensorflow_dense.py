"""Fully connected networks by hand for TensorFlow: ``vae``, ``wgan-gp``, ``aae``."""

import math

import tensorflow as tf

from native.tensorflow_loop import (
    Adam,
    Loop,
    Momentum,
    affine,
    glorot,
    he,
    in_batches,
    layers,
    linear,
    normal,
    perceptron,
    small_normal,
    unit_interval,
    variables,
)

CRITIC_STEPS, PENALTY, CRITIC_LEAK = 5, 10.0, 0.2  # of the WGAN-GP


class VAE(Loop):
    losses = ("loss", "reconstruction_loss", "kl_loss")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        self.hidden, self.mean, self.log_variance = linear(784, 400), linear(400, 20), linear(400, 20)
        self.decoder = [linear(20, 400), linear(400, 784)]
        self.networks["encoder"] = [*self.hidden, *self.mean, *self.log_variance]
        self.networks["decoder"] = variables(self.decoder)
        self.optimizer = Adam([*self.networks["encoder"], *self.networks["decoder"]], 1e-3)

    def step(self, x):
        x = tf.reshape(x, (self.batch_size, 784))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.optimizer.variables)
            mean, log_variance = self.posterior(x)
            z = mean + tf.exp(0.5 * log_variance) * tf.random.normal(mean.shape)
            logits = perceptron(self.decoder, z)
            cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
            reconstruction = tf.reduce_sum(cross_entropy) / self.batch_size
            divergence = tf.square(mean) + tf.exp(log_variance) - 1.0 - log_variance
            kl = 0.5 * tf.reduce_sum(divergence) / self.batch_size
            loss = reconstruction + kl
        self.optimizer.apply(tape.gradient(loss, self.optimizer.variables))
        return loss, reconstruction, kl

    def posterior(self, x):
        hidden = tf.nn.relu(affine(x, self.hidden))
        return affine(hidden, self.mean), affine(hidden, self.log_variance)

    def sample(self, n, batch_size=256):
        return in_batches(self.decoded, normal(n, 20), batch_size=batch_size)

    def encode(self, images, batch_size=256):
        return in_batches(self.encoded, images, batch_size=batch_size)

    def log_likelihood(self, images, samples, batch_size=2048):
        return in_batches(self.estimated, images, normal(len(images), samples, 20), batch_size=batch_size // samples)

    @tf.function(reduce_retracing=True)
    def decoded(self, z):
        return tf.reshape(tf.sigmoid(perceptron(self.decoder, z)), (-1, 28, 28, 1))

    @tf.function(reduce_retracing=True)
    def encoded(self, images):
        return self.posterior(tf.reshape(unit_interval(images), (-1, 784)))[0]

    @tf.function(reduce_retracing=True)
    def estimated(self, images, noise):
        x = tf.reshape(unit_interval(images), (-1, 784))
        mean, log_variance = (t[:, None] for t in self.posterior(x))
        z = mean + tf.exp(0.5 * log_variance) * noise
        logits = tf.reshape(perceptron(self.decoder, tf.reshape(z, (-1, 20))), (-1, noise.shape[1], 784))
        log_ratio = 0.5 * tf.reduce_sum(tf.square(noise) + log_variance - tf.square(z), 2)
        log_ratio += tf.linalg.matvec(logits, x) - tf.reduce_sum(tf.nn.softplus(logits), 2)
        return tf.reduce_logsumexp(log_ratio, 1) - math.log(noise.shape[1])


class WGANGP(Loop):
    losses = ("discriminator_loss", "generator_loss")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        self.generator_layers = layers(he, 100, 512, 512, 512, 784)
        self.critic_layers = layers(glorot, 784, 512, 512, 512, 1)
        self.networks["generator"] = variables(self.generator_layers)
        self.networks["discriminator"] = variables(self.critic_layers)
        self.optimizers = {name: Adam(weights, 1e-4, 0.0, 0.9) for name, weights in self.networks.items()}

    def generate(self):
        return tf.sigmoid(perceptron(self.generator_layers, tf.random.normal((self.batch_size, 100))))

    def critic(self, x, activation=lambda x: tf.nn.leaky_relu(x, CRITIC_LEAK)):
        return perceptron(self.critic_layers, x, activation)

    def critic_loss(self, real, fake):
        fake_logits, real_logits = tf.split(self.critic(tf.concat([fake, real], 0)), 2)
        return tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits) + PENALTY * self.penalty(real, fake)

    def penalty(self, real, fake):
        mixed = fake + tf.random.uniform((self.batch_size, 1)) * (real - fake)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(mixed)
            logits = self.critic(mixed, masked_leaky_relu)
        slopes = tape.gradient(logits, mixed)
        return tf.reduce_mean(tf.square(tf.sqrt(tf.reduce_sum(tf.square(slopes), 1) + 1e-12) - 1.0))

    def step(self, x):
        real, critic_losses = tf.reshape(x, (self.batch_size, 784)), []
        for _ in range(CRITIC_STEPS):
            fake = self.generate()
            loss = self.minimize(lambda fake=fake: self.critic_loss(real, fake), self.optimizers["discriminator"])
            critic_losses.append(loss)
        loss = self.minimize(lambda: -tf.reduce_mean(self.critic(self.generate())), self.optimizers["generator"])
        return tf.add_n(critic_losses) / CRITIC_STEPS, loss


class AAE(Loop):
    losses = ("autoencoder_loss", "discriminator_loss", "generator_loss")

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        self.encoder_layers = layers(small_normal, 784, 1000, 1000, 8)
        self.decoder_layers = layers(small_normal, 8, 1000, 1000, 784)
        self.discriminator_layers = layers(small_normal, 8, 1000, 1000, 1)
        encoder, decoder = variables(self.encoder_layers), variables(self.decoder_layers)
        discriminator = variables(self.discriminator_layers)
        self.networks |= {"encoder": encoder, "decoder": decoder, "discriminator": discriminator}
        self.optimizers = [
            Momentum([*encoder, *decoder], 0.01, 0.9),
            Momentum(discriminator, 0.1, 0.1),
            Momentum(encoder, 0.1, 0.1),
        ]

    def encode(self, x):
        return perceptron(self.encoder_layers, x)

    def discriminator(self, z):
        return perceptron(self.discriminator_layers, z)

    def step(self, x):
        x = tf.reshape(x, (self.batch_size, 784))

        def autoencoder_loss():
            decoded = tf.sigmoid(perceptron(self.decoder_layers, self.encode(x)))
            return tf.reduce_sum(tf.math.squared_difference(x, decoded)) / (2.0 * self.batch_size)

        def discriminator_loss():
            prior_logits, code_logits = tf.split(self.discriminator(both), 2)
            return tf.reduce_mean(tf.nn.softplus(-prior_logits)) + tf.reduce_mean(tf.nn.softplus(code_logits))

        def generator_loss():
            return tf.reduce_mean(tf.nn.softplus(-self.discriminator(self.encode(x))))

        first = self.minimize(autoencoder_loss, self.optimizers[0])
        both = tf.concat([5.0 * tf.random.normal((self.batch_size, 8)), self.encode(x)], 0)
        return first, *map(self.minimize, (discriminator_loss, generator_loss), self.optimizers[1:])


def masked_leaky_relu(x):
    """Leaky ReLU by a factor that is a constant to the tape; the fused one's second derivative pushes zeros through."""
    return x * tf.where(x > 0.0, 1.0, CRITIC_LEAK)


MODELS = {"vae": VAE, "wgan-gp": WGANGP, "aae": AAE}
