"""A GAN of one's own: about thirty lines, on every backend, with everything that genzoo's own models have.

python examples/my_gan.py                 # real 8x8 digits, no download; writes my_gan.png
"""

from genzoo.extras import require

if __name__ == "__main__":
    require(__file__, sklearn="data")

import argparse

import keras
from keras import layers, ops

import genzoo
from genzoo import losses, viz


@genzoo.register("my-gan")
@keras.saving.register_keras_serializable("my_gan")
class MyGAN(genzoo.GenerativeModel):
    """A fully connected GAN, trained in turns (Goodfellow et al. 2014, Algorithm 1 with k = 1)."""

    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    latent_dim = 16
    batch_size = 64

    def build_networks(self, image_shape):
        pixels = image_shape[0] * image_shape[1] * image_shape[2]
        self.generator = keras.Sequential([
            keras.Input((self.latent_dim,)),
            layers.Dense(256, activation="relu"),
            layers.Dense(256, activation="relu"),
            layers.Dense(pixels, activation="sigmoid"),
            layers.Reshape(image_shape),
        ])  # fmt: skip
        self.discriminator = keras.Sequential([
            keras.Input(image_shape),
            layers.Flatten(),
            layers.Dense(256, activation="leaky_relu"),
            layers.Dropout(0.3),
            layers.Dense(256, activation="leaky_relu"),
            layers.Dropout(0.3),
            layers.Dense(1),
        ])  # fmt: skip

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5) for player in self.players}

    def step(self, x, y=None):
        batch_size = ops.shape(x)[0]
        fake = self.generator(self.noise(batch_size))
        self.minimize(
            lambda: losses.discriminator_cross_entropy(self.discriminator(x), self.discriminator(fake)), "discriminator"
        )
        z = self.noise(batch_size)
        self.minimize(lambda: losses.generator_cross_entropy(self.discriminator(self.generator(z))), "generator")

    def decode_step(self, z):
        return self.generator(z)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=300)
    epochs = parser.parse_args().epochs
    model = genzoo.get("my-gan", seed=0)
    model.fit(genzoo.data.load("digits", batch_size=64), epochs=epochs, verbose=2)
    print(viz.save_image("my_gan.png", viz.image_grid(model.sample(64, seed=0))))
