"""Layers that Keras has not: spectral normalisation as published."""

import keras
from keras import layers, ops


class _SpectralNorm:
    r"""Divides a layer's kernel by its largest singular value $\sigma$ (Miyato et al. 2018).

    Keras' own wrapper overwrites the kernel and moves its vector $u$ at every call in training. Here the kernel is the
    parameter, gradients pass through $\sigma = \|W^T u\|$, and $u$ moves when ``power_iteration`` is called.
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.u = self.add_weight(
            shape=(self._kernel.shape[-1],), initializer="random_normal", trainable=False, name="u", aggregation="mean"
        )

    def power_iteration(self):
        """One step of $u$ towards the first singular vector."""
        matrix = self._matrix()
        v = _unit(ops.matmul(matrix, ops.cast(self.u, matrix.dtype)))
        self.u.assign(_unit(ops.matmul(v, matrix)))

    def sigma(self):
        """The estimate of the largest singular value, a scalar; exact once ``u`` has converged."""
        matrix = self._matrix()
        return ops.norm(ops.matmul(matrix, _unit(ops.cast(self.u, matrix.dtype))))

    # Dense and Conv2D save a list of weights that they know, without u; any other layer saves all that it has.
    save_own_variables = layers.Layer.save_own_variables
    load_own_variables = layers.Layer.load_own_variables

    def _matrix(self):
        kernel = ops.convert_to_tensor(self._kernel)
        return ops.reshape(kernel, (-1, kernel.shape[-1]))


@keras.saving.register_keras_serializable("genzoo")
class SpectralDense(_SpectralNorm, layers.Dense):
    """``keras.layers.Dense`` whose kernel has spectral norm 1."""

    def call(self, inputs, training=None):
        x = ops.matmul(inputs, self._kernel) / self.sigma()
        return self.activation(x + self.bias if self.use_bias else x)


@keras.saving.register_keras_serializable("genzoo")
class SpectralConv2D(_SpectralNorm, layers.Conv2D):
    """``keras.layers.Conv2D`` whose kernel, as a matrix of output channels by the rest, has spectral norm 1."""

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel) / self.sigma()


def power_iteration(network) -> None:
    """Moves the vector of every spectrally normalised layer of a network one step."""
    for layer in network._flatten_layers():
        if isinstance(layer, _SpectralNorm):
            layer.power_iteration()


def _unit(vector):
    return vector / (ops.norm(vector) + 1e-12)
