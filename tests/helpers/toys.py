"""Small models for tests of the engine. Their noise comes with the data, so that other code can repeat it."""

import keras
from keras import ops

from genzoo import engine, losses
from genzoo.model import GenerativeModel

LATENT = 3
STEPS, BATCH = 20, 8  # of the data that tests of the engine share


def dense(inputs, outputs, name):
    layers = [keras.layers.Dense(5, activation="tanh"), keras.layers.Dense(outputs)]
    return keras.Sequential([keras.Input((inputs,)), *layers], name=name)


@keras.saving.register_keras_serializable("tests")
class ToyGAN(GenerativeModel):
    """Two players on 2x2 images. The label of an image is the noise of both steps, ``(batch, 2, LATENT)``."""

    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    latent_dim = LATENT
    optimizer_name = "sgd"

    def build_networks(self, image_shape):
        self.generator = dense(LATENT, 4, "generator")
        self.discriminator = dense(4, 1, "discriminator")

    def default_optimizers(self):
        return {player: keras.optimizers.SGD(0.1) for player in self.players}

    def step(self, x, y=None):
        x = ops.reshape(x, (-1, 4))
        fake = self.generator(y[:, 0])
        self.minimize(
            lambda: losses.discriminator_cross_entropy(self.discriminator(x), self.discriminator(fake)), "discriminator"
        )
        self.minimize(lambda: losses.generator_cross_entropy(self.discriminator(self.generator(y[:, 1]))), "generator")

    def decode_step(self, z):
        return ops.reshape(ops.sigmoid(self.generator(z)), (-1, 2, 2, 1))


@keras.saving.register_keras_serializable("tests")
class ToyCritic(ToyGAN):
    """Wasserstein with a gradient penalty: two critic steps, second derivatives."""

    def step(self, x, y=None):
        x = ops.reshape(x, (-1, 4))
        for i in (0, 1):
            fake = self.generator(y[:, i])
            self.minimize(lambda fake=fake: self.critic_loss(x, fake), "discriminator")
        self.minimize(lambda: -self.discriminator(self.generator(y[:, 0])), "generator")

    def critic_loss(self, x, fake):
        slope = engine.input_gradient(self.discriminator, (x + fake) / 2)
        penalty = ops.mean(ops.square(ops.sqrt(ops.sum(ops.square(slope), axis=1) + 1e-12) - 1.0))
        return ops.mean(self.discriminator(fake)) - ops.mean(self.discriminator(x)) + penalty


@keras.saving.register_keras_serializable("tests")
class ToyOverlap(GenerativeModel):
    """An encoder that plays for two players, as in an adversarial autoencoder."""

    players = {"autoencoder": ("encoder", "decoder"), "prior": ("encoder",)}
    logs = {"code_size": "mean square of the code"}
    tags = frozenset({"encoder"})
    latent_dim = 2
    batch_size = 8

    def build_networks(self, image_shape):
        self.encoder = dense(4, 2, "encoder")
        self.decoder = dense(2, 4, "decoder")

    def default_optimizers(self):
        return {"autoencoder": keras.optimizers.Adam(0.01), "prior": keras.optimizers.SGD(0.1, momentum=0.9)}

    def step(self, x, y=None):
        flat = ops.reshape(x, (-1, 4))
        self.minimize(lambda: ops.mean(ops.square(self.decoder(self.encoder(flat)) - flat), axis=1), "autoencoder")
        self.minimize(lambda: ops.square(self.encoder(flat)), "prior")
        self.log("code_size", ops.mean(ops.square(self.encoder(flat)), axis=1))

    def encode_step(self, x, y=None):
        return self.encoder(ops.reshape(x, (-1, 4)))

    def decode_step(self, z, y=None):
        return ops.reshape(ops.sigmoid(self.decoder(z)), (-1, 2, 2, 1))
