"""Small models that keep every contract."""

import math

import keras
from keras import ops

from genzoo import losses
from genzoo.model import GenerativeModel
from genzoo.validation import positive_int


def network(inputs, outputs, name, normalise=False, **options):
    layers = [keras.layers.Dense(5), keras.layers.LeakyReLU(0.2), keras.layers.Dense(outputs, **options)]
    if normalise:
        layers.insert(1, keras.layers.BatchNormalization(momentum=0.5))
    return keras.Sequential([keras.Input((inputs,)), *layers], name=name)


class _Tiny(GenerativeModel):
    """What whole and broken models share."""

    test_image_shape = (2, 2, 1)

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(0.01) for player in self.players}

    def flat(self, x):
        return ops.reshape(x, (ops.shape(x)[0], math.prod(self.image_shape)))

    def image(self, x):
        return ops.reshape(x, (-1, *self.image_shape))


@keras.saving.register_keras_serializable("whole")
class WholeGAN(_Tiny):
    """Two dense players, a batch normalisation, noise, and labels.

    Args:
        latent_dim: size of the noise.
        num_classes: how many.
        smoothing: of the target for real images.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> model = WholeGAN(latent_dim=3)

    Reference:
        @misc{nobody, title={Whole}}
    """

    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    logs = {"margin": "logit of real images"}
    tags = frozenset({"gan", "conditional"})

    def __init__(self, latent_dim: int = 4, num_classes: int = 3, smoothing: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.num_classes = positive_int("num_classes", num_classes)
        if not isinstance(smoothing, float) or not 0 <= smoothing < 1:
            raise ValueError(f"`smoothing` must be a number in [0, 1). Received: {smoothing!r}")
        self.smoothing = smoothing

    def build_networks(self, image_shape):
        size = math.prod(image_shape)
        self.generator = network(self.latent_dim + self.num_classes, size, "generator", normalise=True)
        self.discriminator = network(size, 1, "discriminator")

    def generate(self, z, y):
        return ops.sigmoid(self.generator(ops.concatenate([z, self.one_hot(y)], axis=1)))

    def step(self, x, y=None):
        x, n = self.flat(x), ops.shape(x)[0]
        fake = self.generate(self.noise(n), y)
        self.minimize(lambda: self.discriminator_loss(x, fake), "discriminator")
        z = self.noise(n)
        self.minimize(lambda: self.generator_loss(self.generate(z, y)), "generator")
        self.log("margin", self.discriminator(x))

    def discriminator_loss(self, x, fake):
        real, made = self.discriminator(x), self.discriminator(fake)
        return losses.discriminator_cross_entropy(real, made, real_target=1 - self.smoothing)

    def generator_loss(self, fake):
        return losses.generator_cross_entropy(self.discriminator(fake))

    def decode_step(self, z, y=None):
        return self.image(self.generate(z, y))


@keras.saving.register_keras_serializable("whole")
class WholeVAE(_Tiny):
    """An autoencoder with noise, a likelihood and a classifier.

    Args:
        latent_dim: size of the code.
        num_classes: how many.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> model = WholeVAE(latent_dim=3)

    Reference:
        @misc{nobody, title={Whole}}
    """

    players = {"autoencoder": ("encoder", "decoder", "head")}
    tags = frozenset({"encoder", "likelihood", "classifier"})

    def __init__(self, latent_dim: int = 4, num_classes: int = 3, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.num_classes = positive_int("num_classes", num_classes)

    @property
    def label_ids(self):
        return range(-1, self.num_classes)

    def build_networks(self, image_shape):
        size = math.prod(image_shape)
        self.encoder = network(size, self.latent_dim, "encoder", dtype="float32")
        self.decoder = network(self.latent_dim, size, "decoder", dtype="float32")
        self.head = network(self.latent_dim, self.num_classes, "head", dtype="float32")

    def compute_loss(self, x=None, y=None):
        code = self.encode_step(x)
        noisy = code + 0.1 * self.normal(ops.shape(code))
        target = self.one_hot(ops.maximum(y, 0))
        label = ops.sum(target * ops.log(self.classes(x) + 1e-6), axis=1) * ops.cast(y >= 0, "float32")
        return ops.mean(ops.square(self.decode_step(noisy) - x), axis=(1, 2, 3)) - label

    def encode_step(self, x, y=None):
        return self.encoder(self.flat(x))

    def decode_step(self, z, y=None):
        return ops.sigmoid(self.image(self.decoder(z)))

    def classes(self, x):
        return ops.softmax(self.head(self.encode_step(x)))

    def classify_step(self, x):
        return self.classes(x)

    def log_weights(self, x, epsilon, y=None):
        z = ops.expand_dims(self.encode_step(x), 1) + 0.1 * epsilon
        return -0.5 * ops.sum(ops.square(z), axis=2)


@keras.saving.register_keras_serializable("whole")
class WholeTranslator(_Tiny):
    """Images to other images, with noise.

    Args:
        strength: of the noise.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> model = WholeTranslator()

    Reference:
        @misc{nobody, title={Whole}}
    """

    players = {"translator": ("network",)}
    tags = frozenset({"translation"})
    latent_dim = 1

    def __init__(self, strength: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(strength, float) or not 0 <= strength < 1:
            raise ValueError(f"`strength` must be a number in [0, 1). Received: {strength!r}")
        self.strength = strength

    def build_networks(self, image_shape):
        self.network = network(math.prod(image_shape), math.prod(image_shape), "network", dtype="float32")

    def compute_loss(self, x=None, y=None):
        return ops.mean(ops.square(self.translate_step(x, self.noise(ops.shape(x)[0])) - y), axis=(1, 2, 3))

    def translate_step(self, x, z):
        return ops.sigmoid(self.image(self.network(self.flat(x) + self.strength * z)))
