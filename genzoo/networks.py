"""Default networks: functions that return a ``keras.Model`` sized for an image shape.

Outputs that enter a loss are float32 under every dtype policy. ``image_shape`` is ``(height, width, channels)``, or
``(channels, height, width)`` where ``keras.config.image_data_format()`` says ``channels_first``.
"""

import math

import keras
from keras import layers


def dense_encoder(image_shape, hidden_dim: int, latent_dim: int) -> keras.Model:
    """One hidden ReLU layer and two heads: images to ``(mean, log_variance)``, each ``(batch, latent_dim)``."""
    images = keras.Input(image_shape)
    hidden = _linear(layers.Flatten()(images), hidden_dim, activation="relu")
    heads = [_linear(hidden, latent_dim, dtype="float32", name=name) for name in ("mean", "log_variance")]
    return keras.Model(images, heads, name="encoder")


def dense_decoder(latent_dim: int, hidden_dim: int, image_shape) -> keras.Model:
    """One hidden ReLU layer: latents ``(batch, latent_dim)`` to the logits of every pixel."""
    z = keras.Input((latent_dim,))
    hidden = _linear(z, hidden_dim, activation="relu")
    logits = _linear(hidden, math.prod(image_shape), dtype="float32")
    return keras.Model(z, layers.Reshape(image_shape)(logits), name="decoder")


def dcgan_generator(latent_dim: int, image_shape, filters=(256, 128, 64)) -> keras.Model:
    """Dense to a quarter of the size, then transposed 5x5 convolutions: latents to images in [-1, 1]."""
    height, width, channels, axis = _spatial(image_shape)
    if height % 4 or width % 4:
        raise ValueError(
            "This convolutional generator doubles its size twice, so height and width must be divisible by 4. "
            f"Received: image shape {tuple(image_shape)}. Pad or resize the images, for example to "
            f"{-(-height // 4) * 4}x{-(-width // 4) * 4}."
        )
    base = (height // 4, width // 4, filters[0])
    z = keras.Input((latent_dim,))
    x = layers.Dense(math.prod(base), use_bias=False)(z)
    x = layers.LeakyReLU(0.3)(layers.BatchNormalization()(x))
    x = layers.Reshape(base if axis == -1 else (base[2], *base[:2]))(x)
    for count, strides in zip(filters[1:], (1, 2), strict=True):
        x = layers.Conv2DTranspose(count, 5, strides=strides, padding="same", use_bias=False)(x)
        x = layers.LeakyReLU(0.3)(layers.BatchNormalization(axis=axis)(x))
    x = layers.Conv2DTranspose(channels, 5, strides=2, padding="same", use_bias=False)(x)
    return keras.Model(z, layers.Activation("tanh", dtype="float32")(x), name="generator")


def dcgan_discriminator(image_shape, filters=(64, 128), dropout: float = 0.3) -> keras.Model:
    """Strided 5x5 convolutions with dropout: images in [-1, 1] to one logit, ``(batch, 1)``."""
    images = x = keras.Input(image_shape)
    for count in filters:
        x = layers.LeakyReLU(0.3)(layers.Conv2D(count, 5, strides=2, padding="same")(x))
        x = layers.Dropout(dropout)(x)
    return keras.Model(images, layers.Dense(1, dtype="float32")(layers.Flatten()(x)), name="discriminator")


def _linear(x, units: int, **options):
    """A dense layer that starts as PyTorch's does: kernel and bias uniform within 1 / sqrt(fan in)."""
    bound = x.shape[-1] ** -0.5
    uniform = keras.initializers.RandomUniform
    return layers.Dense(
        units, kernel_initializer=uniform(-bound, bound), bias_initializer=uniform(-bound, bound), **options
    )(x)


def _spatial(image_shape):
    """``(height, width, channels, channel axis)``, wherever the channels are."""
    if keras.config.image_data_format() == "channels_first":
        channels, height, width = image_shape
        return height, width, channels, 1
    height, width, channels = image_shape
    return height, width, channels, -1
