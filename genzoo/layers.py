"""Layers of the networks: Keras' own, on the engine's arithmetic, and spectral normalisation as published.

The first have the names, arguments, weights and values of Keras' layers, and with the usual arguments they run faster
on some backends.
"""

from typing import TYPE_CHECKING

import keras
from keras import layers, ops

from genzoo import engine
from genzoo.annotations import Tensor

if TYPE_CHECKING:

    class _Part(layers.Layer):
        """What type checkers know of the mixins here: they are parts of a layer."""

else:
    _Part = object


class _Weights(_Part):
    """A layer whose weights come from the engine's initializers, which have the values of Keras'."""

    def add_weight(self, shape=None, initializer=None, *args, **options):
        return super().add_weight(shape, engine.initializer(initializer), *args, **options)


@keras.saving.register_keras_serializable("genzoo")
class Dense(_Weights, layers.Dense):
    """``keras.layers.Dense``."""

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        x = engine.dense(inputs, self.kernel, self.bias)
        return x if self.activation is None else self.activation(x)


class _Images(_Weights):
    """A convolution of images; with dilation, groups or output padding, Keras' own."""

    def _convolve(self, convolution, inputs):
        special = getattr(self, "groups", 1) > 1 or getattr(self, "output_padding", None) is not None
        if special or any(rate != 1 for rate in self.dilation_rate):
            return super().call(inputs)
        options = {"strides": self.strides, "padding": self.padding, "data_format": self.data_format}
        x = convolution(inputs, self.kernel, self.bias, **options)
        return x if self.activation is None else self.activation(x)


@keras.saving.register_keras_serializable("genzoo")
class Conv2D(_Images, layers.Conv2D):
    """``keras.layers.Conv2D``."""

    def call(self, inputs: Tensor) -> Tensor:
        return self._convolve(engine.conv, inputs)


@keras.saving.register_keras_serializable("genzoo")
class Conv2DTranspose(_Images, layers.Conv2DTranspose):
    """``keras.layers.Conv2DTranspose``."""

    def call(self, inputs: Tensor) -> Tensor:
        return self._convolve(engine.conv_transpose, inputs)


@keras.saving.register_keras_serializable("genzoo")
class BatchNormalization(_Weights, layers.BatchNormalization):
    """``keras.layers.BatchNormalization``."""

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        special = self.renorm or self.synchronized or mask is not None or not (self.scale and self.center)
        if special:
            return super().call(inputs, training=training, mask=mask)
        x, scale, offset = (ops.cast(t, "float32") for t in (inputs, self.gamma, self.beta))
        if training and self.trainable:
            x, mean, variance = engine.batch_norm(x, scale, offset, self.axis, self.epsilon)
            for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + new * (1.0 - self.momentum))
        else:
            mean, variance = (ops.cast(t, "float32") for t in (self.moving_mean, self.moving_variance))
            x = engine.normalise(x, mean, variance, scale, offset, self.axis, self.epsilon)
        return ops.cast(x, self.compute_dtype)


@keras.saving.register_keras_serializable("genzoo")
class Dropout(layers.Dropout):
    """``keras.layers.Dropout``. On a CPU its rate is rounded to a multiple of 1 / 65536."""

    def call(self, inputs: Tensor, training: bool | None = False) -> Tensor:
        if not training or self.rate == 0 or self.noise_shape is not None:
            return super().call(inputs, training=training)
        return engine.dropout(inputs, self.rate, self.seed_generator)


@keras.saving.register_keras_serializable("genzoo")
class GaussianNoise(layers.GaussianNoise):
    """``keras.layers.GaussianNoise``."""

    def call(self, inputs: Tensor, training: bool | None = False) -> Tensor:
        if not training or self.stddev == 0:
            return inputs
        noise = engine.normal(ops.shape(inputs), self.seed_generator)
        return inputs + ops.cast(self.stddev * noise, inputs.dtype)


@keras.saving.register_keras_serializable("genzoo")
class LeakyReLU(layers.LeakyReLU):
    """``keras.layers.LeakyReLU``."""

    def call(self, inputs: Tensor) -> Tensor:
        return engine.leaky_relu(inputs, self.negative_slope)


class _SpectralNorm(_Part):
    r"""Divides a layer's kernel by its largest singular value $\sigma$ (Miyato et al. 2018).

    Keras' own wrapper overwrites the kernel and moves its vector $u$ at every call in training. Here the kernel is the
    parameter, gradients pass through $\sigma = \|W^T u\|$, and $u$ moves when ``power_iteration`` is called.
    """

    def build(self, input_shape):
        super().build(input_shape)
        shape = (super().kernel.shape[-1],)
        self.u = self.add_weight(shape, "random_normal", trainable=False, name="u", aggregation="mean")

    def power_iteration(self):
        """One step of $u$ towards the first singular vector."""
        matrix = self._matrix()
        v = _unit(ops.matmul(matrix, ops.cast(self.u, matrix.dtype)))
        self.u.assign(_unit(ops.matmul(v, matrix)))

    def sigma(self):
        """The estimate of the largest singular value, a scalar; exact once ``u`` has converged."""
        matrix = self._matrix()
        return ops.norm(ops.matmul(matrix, _unit(ops.cast(self.u, matrix.dtype))))

    @property
    def kernel(self):
        """The kernel with spectral norm 1."""
        return super().kernel / self.sigma()

    # Dense and Conv2D save a list of weights that they know, without u; any other layer saves all that it has.
    save_own_variables = layers.Layer.save_own_variables
    load_own_variables = layers.Layer.load_own_variables

    def _matrix(self):
        kernel = ops.convert_to_tensor(super().kernel)
        return ops.reshape(kernel, (-1, kernel.shape[-1]))


@keras.saving.register_keras_serializable("genzoo")
class SpectralDense(_SpectralNorm, Dense):
    """``keras.layers.Dense`` whose kernel has spectral norm 1."""


@keras.saving.register_keras_serializable("genzoo")
class SpectralConv2D(_SpectralNorm, Conv2D):
    """``keras.layers.Conv2D`` whose kernel, as a matrix of output channels by the rest, has spectral norm 1."""


def power_iteration(network: keras.Model) -> None:
    """Moves the vector of every spectrally normalised layer of a network one step."""
    for layer in flattened(network):
        if isinstance(layer, _SpectralNorm) and layer.trainable:
            layer.power_iteration()


def flattened(layer: keras.Layer) -> list:
    """A layer and all layers inside it, each once."""
    found, seen, waiting = [], set(), [layer]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or not isinstance(item, keras.Layer | list | tuple | dict):
            continue
        seen.add(id(item))
        if isinstance(item, keras.Layer):
            found.append(item)
            waiting.extend(item.layers if isinstance(item, keras.Model) else vars(item).values())
        else:
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return found


def _unit(vector):
    return vector / (ops.norm(vector) + 1e-12)
