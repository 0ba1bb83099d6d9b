"""Default networks: functions that return a ``keras.Model`` sized for an image shape.

Images are in [0, 1]. Outputs that enter a loss are float32 under every dtype policy. ``image_shape`` is
``(height, width, channels)``, or ``(channels, height, width)`` where ``keras.config.image_data_format()`` says
``channels_first``. Where ``num_classes`` is given, the network takes one-hot labels as its second input.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import keras
from keras import layers, ops

from genzoo.annotations import ImageShape, Tensor
from genzoo.layers import (
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    LeakyReLU,
    SpectralConv2D,
    SpectralDense,
)
from genzoo.validation import positive_int

# Encoders and decoders.


def dense_encoder(
    image_shape: ImageShape, hidden_dims: Iterable[int], latent_dim: int, activation: Any = "relu", num_classes: int = 0
) -> keras.Model:
    """Hidden layers and two heads: images to ``(mean, log_variance)``, each ``(batch, latent_dim)``."""
    spatial(image_shape)  # which checks it
    images = keras.Input(image_shape)
    inputs, hidden = _with_labels(images, layers.Flatten()(images), num_classes)
    for units in _widths(hidden_dims):
        hidden = _linear(hidden, units, activation=activation)
    return keras.Model(inputs, _gaussian_heads(hidden, latent_dim), name="encoder")


def dense_decoder(
    latent_dim: int, hidden_dims: Iterable[int], image_shape: ImageShape, activation: Any = "relu", num_classes: int = 0
) -> keras.Model:
    """Hidden layers: latents ``(batch, latent_dim)`` to one number per pixel, such as its logit."""
    z = keras.Input((latent_dim,))
    inputs, hidden = _with_labels(z, z, num_classes)
    for units in _widths(hidden_dims):
        hidden = _linear(hidden, units, activation=activation)
    logits = _linear(hidden, math.prod(image_shape), dtype="float32")
    return keras.Model(inputs, layers.Reshape(image_shape)(logits), name="decoder")


def conv_encoder(
    image_shape: ImageShape, hidden_dim: int, latent_dim: int, filters: int = 32, num_layers: int = 2
) -> keras.Model:
    """Strided 4x4 convolutions down to 4x4 and dense layers (Burgess et al. 2018, appendix A.1).

    Returns:
        Model from images to ``(mean, log_variance)``, each ``(batch, latent_dim)``.
    """
    images = x = keras.Input(image_shape)
    for _ in _halved_sizes(image_shape)[1:]:
        x = Conv2D(filters, 4, strides=2, padding="same", activation="relu")(x)
    x = layers.Flatten()(x)
    for _ in range(num_layers):
        x = Dense(hidden_dim, activation="relu")(x)
    return keras.Model(images, _gaussian_heads(x, latent_dim, _dense), name="encoder")


def conv_decoder(
    latent_dim: int, hidden_dim: int, image_shape: ImageShape, filters: int = 32, num_layers: int = 2
) -> keras.Model:
    """The encoder's mirror image: latents to one number per pixel."""
    channels, axis = spatial(image_shape)[2:]
    *larger, base = _halved_sizes(image_shape)
    z = x = keras.Input((latent_dim,))
    for _ in range(num_layers):
        x = Dense(hidden_dim, activation="relu")(x)
    x = Dense(math.prod(base) * filters, activation="relu")(x)
    x = layers.Reshape((*base, filters) if axis == -1 else (filters, *base))(x)
    for i, size in enumerate(reversed(larger), 1):
        last = i == len(larger)
        x = Conv2DTranspose(
            channels if last else filters, 4, strides=2, padding="same", activation=None if last else "relu"
        )(x)
        rows, columns = (now - wanted for now, wanted in zip(spatial(x.shape[1:])[:2], size, strict=True))
        if rows or columns:
            x = layers.Cropping2D(((0, rows), (0, columns)))(x)
    if not larger:
        x = Conv2D(channels, 3, padding="same")(x)
    return keras.Model(z, layers.Activation("linear", dtype="float32")(x), name="decoder")


# Generators and discriminators.


def dense_generator(
    latent_dim: int, hidden_dims: Iterable[int], image_shape: ImageShape, initializer: Any = "he_uniform"
) -> keras.Model:
    """ReLU layers and a sigmoid: latents to images."""
    z = x = keras.Input((latent_dim,))
    for units in _widths(hidden_dims):
        x = Dense(units, activation="relu", kernel_initializer=initializer)(x)
    return keras.Model(z, sigmoid_image(x, image_shape, initializer), name="generator")


def sigmoid_image(x: Tensor, image_shape: ImageShape, initializer: Any = "he_uniform") -> Tensor:
    """A dense layer of one sigmoid per pixel, in float32."""
    options = {"activation": "sigmoid", "kernel_initializer": initializer, "dtype": "float32"}
    return layers.Reshape(image_shape, dtype="float32")(Dense(math.prod(image_shape), **options)(x))


def dense_discriminator(
    image_shape: ImageShape, hidden_dims: Iterable[int], dropout: float = 0.0, spectral_norm: bool = False
) -> keras.Model:
    """Leaky ReLU layers: images to one logit, ``(batch, 1)``."""
    dense = SpectralDense if spectral_norm else Dense
    images = keras.Input(image_shape)
    x = layers.Flatten()(images)
    for units in _widths(hidden_dims):
        x = Dropout(dropout)(LeakyReLU(0.2)(dense(units)(x)))
    return keras.Model(images, logit(x, spectral_norm), name="discriminator")


def uniform_weights(bound: float) -> keras.initializers.Initializer:
    """Initial weights uniform in plus and minus this."""
    return keras.initializers.RandomUniform(-bound, bound)


def logit(x: Tensor, spectral_norm: bool = False, initializer: Any = "glorot_uniform") -> Tensor:
    """One number per example, in float32."""
    dense = SpectralDense if spectral_norm else Dense
    return dense(1, kernel_initializer=initializer, dtype="float32")(x)


def maxout(x: Tensor, units: int, pieces: int = 5, spectral_norm: bool = False) -> Tensor:
    """A layer of the largest of ``pieces`` linear units each (Goodfellow et al. 2013).

    Weights start uniform in 0.005, as in the code of Goodfellow et al. (2014).
    """
    dense = SpectralDense if spectral_norm else Dense
    x = dense(units * pieces, kernel_initializer=uniform_weights(0.005))(x)
    return ops.max(layers.Reshape((units, pieces))(x), axis=-1)


def dcgan_generator(latent_dim: int, image_shape: ImageShape, filters: int = 64, num_classes: int = 0) -> keras.Model:
    """Dense to a quarter of the size, then transposed 5x5 convolutions: latents to images."""
    height, width, channels, axis = spatial(image_shape)
    if height % 4 or width % 4:
        raise ValueError(
            "This convolutional generator doubles its size twice, so height and width must be divisible by 4. "
            f"Received: image shape {tuple(image_shape)}. Pad or resize the images, for example to "
            f"{-(-height // 4) * 4}x{-(-width // 4) * 4}."
        )
    base = (height // 4, width // 4, 4 * filters)
    z = keras.Input((latent_dim,))
    inputs, x = _with_labels(z, z, num_classes, label_scale=3.0)
    x = Dense(math.prod(base), use_bias=False)(x)
    x = LeakyReLU(0.3)(BatchNormalization()(x))
    x = layers.Reshape(base if axis == -1 else (base[2], *base[:2]))(x)
    for count, strides in ((2 * filters, 1), (filters, 2)):
        x = Conv2DTranspose(count, 5, strides=strides, padding="same", use_bias=False)(x)
        x = LeakyReLU(0.3)(BatchNormalization(axis=axis)(x))
    x = Conv2DTranspose(channels, 5, strides=2, padding="same", use_bias=False)(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, layers.Rescaling(0.5, 0.5, dtype="float32")(x), name="generator")


def dcgan_features(images: Tensor, filters: int = 64, dropout: float = 0.3, spectral_norm: bool = False) -> Tensor:
    """The discriminator's strided 5x5 convolutions with dropout: images to flat features, symbolically."""
    conv = SpectralConv2D if spectral_norm else Conv2D
    x = layers.Rescaling(2.0, -1.0)(images)  # to the range of a tanh, as the paper trains
    for count in (filters, 2 * filters):
        x = LeakyReLU(0.3)(conv(count, 5, strides=2, padding="same")(x))
        x = Dropout(dropout)(x)
    return layers.Flatten()(x)


def with_label_maps(images: Tensor, labels: Tensor) -> Tensor:
    """Images and one-hot labels, symbolically, to images with one constant map per class beside their channels."""
    height, width, _, axis = spatial(images.shape[1:])
    maps = ops.reshape(labels, (-1, 1, 1, labels.shape[-1]) if axis == -1 else (-1, labels.shape[-1], 1, 1))
    maps = ops.repeat(ops.repeat(maps, height, axis=1 if axis == -1 else 2), width, axis=2 if axis == -1 else 3)
    return layers.Concatenate(axis=axis)([images, maps])


def dcgan_discriminator(
    image_shape: ImageShape, filters: int = 64, dropout: float = 0.3, spectral_norm: bool = False
) -> keras.Model:
    """Images to one logit, ``(batch, 1)``."""
    images = keras.Input(image_shape)
    features = dcgan_features(images, filters, dropout, spectral_norm)
    return keras.Model(images, logit(features, spectral_norm), name="discriminator")


def frozen_copy(network: keras.Model, name: str) -> keras.Model:
    """A network with the same weights now that no optimizer moves."""
    copy = keras.models.clone_model(network)
    copy.name = name
    copy.set_weights(network.get_weights())
    copy.trainable = False
    return copy


# Parts.


def _widths(hidden_dims):
    if not isinstance(hidden_dims, Iterable):
        raise ValueError(f"`hidden_dims` must be the widths of the hidden layers. Received: {hidden_dims=}")
    return [positive_int("hidden_dims", units) for units in hidden_dims]


def _gaussian_heads(hidden, latent_dim, layer=None):
    layer = layer or _linear
    return [layer(hidden, latent_dim, dtype="float32", name=name) for name in ("mean", "log_variance")]


def _dense(x, units, **options):
    return Dense(units, **options)(x)


def _linear(x, units: int, **options):
    """A dense layer that starts as PyTorch's does: kernel and bias uniform within 1 / sqrt(fan in)."""
    bound = x.shape[-1] ** -0.5
    kernel, bias = uniform_weights(bound), uniform_weights(bound)
    return Dense(units, kernel_initializer=kernel, bias_initializer=bias, **options)(x)


def _with_labels(inputs, features, num_classes, label_scale=1.0):
    """The network's inputs, and its features with one-hot labels beside them where it takes labels."""
    if not num_classes:
        return inputs, features
    labels = keras.Input((num_classes,), name="labels")
    return [inputs, labels], layers.Concatenate()([features, label_scale * labels])


def _halved_sizes(image_shape):
    """``[(height, width), ...]`` from the image until the shorter side is at most 4, halving and rounding up."""
    sizes = [spatial(image_shape)[:2]]
    while min(sizes[-1]) > 4:
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes


def spatial(image_shape: Sequence[int]) -> tuple[int, int, int, int]:
    """``(height, width, channels, channel axis)``, wherever the channels are."""
    sizes = tuple(image_shape) if isinstance(image_shape, Iterable) else ()  # TensorFlow's shapes are no sequences
    if len(sizes) != 3:
        raise ValueError(f"Expected an image shape (height, width, channels). Received: {image_shape!r}")
    for size in sizes:
        positive_int("image_shape", size)
    if keras.config.image_data_format() == "channels_first":
        channels, height, width = image_shape
        return height, width, channels, 1
    height, width, channels = image_shape
    return height, width, channels, -1
