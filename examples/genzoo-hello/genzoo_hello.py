"""Generative Moment Matching Networks (Li, Swersky and Zemel, 2015)."""

import keras
from keras import ops

import genzoo
from genzoo import networks
from genzoo.validation import positive_int

WIDTHS = (2, 5, 10, 20, 40, 80)  # of the Gaussian kernels: as the authors' code has them


@keras.saving.register_keras_serializable("genzoo_hello")
class Hello(genzoo.GenerativeModel):
    r"""Generative moment matching network, fully connected.

    The generator $G$ turns noise $z \sim N(0, I)$ into images. Training lowers the distance of generated from real
    images, their maximum mean discrepancy under a kernel $k$ that is a sum of Gaussians of several widths:

    $$\mathrm{MMD}^2 = E \, k(x, x') - 2 \, E \, k(x, G(z)) + E \, k(G(z), G(z'))$$

    It is 0 only where all moments of both distributions agree, that is, where they are the same.

    Metrics: ``loss``, the MMD of a batch of real and a batch of generated images; above 0 for the best generator too,
    because batches differ.

    Args:
        latent_dim: size of $z$.
        hidden_dim: width of the generator's three hidden layers.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("hello", hidden_dim=32, seed=0)
    >>> history = model.fit(np.zeros((4, 8, 8, 1), "uint8"), verbose=0)
    >>> model.sample(2, seed=0).shape
    (2, 8, 8, 1)

    Deviations:
        1. Three hidden layers of one width, Adam at 1e-3, and batches of 200; the authors' code has four layers of 64,
           256, 256 and 1024, momentum, and batches of 1000.
        2. The noise is normal, the paper's uniform.
        3. Images are compared pixel by pixel; the paper's better half compares the codes of an autoencoder.

    Reference:
        @inproceedings{li2015generative,
          title={Generative Moment Matching Networks},
          author={Li, Yujia and Swersky, Kevin and Zemel, Richard},
          booktitle={International Conference on Machine Learning},
          year={2015}
        }
    """

    players = {"generator": ("generator",)}  # who trains, and which networks it moves
    tags = frozenset({"mmd"})
    batch_size = 200

    def __init__(self, latent_dim: int = 10, hidden_dim: int = 256, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.hidden_dim = positive_int("hidden_dim", hidden_dim)

    def build_networks(self, image_shape):
        self.generator = networks.dense_generator(self.latent_dim, (self.hidden_dim,) * 3, image_shape)

    def default_optimizers(self):
        return {"generator": keras.optimizers.Adam(1e-3)}

    def compute_loss(self, x=None, y=None):
        fake = self.generator(self.noise(ops.shape(x)[0]))
        # The root, as in the paper: its gradient does not fade. At 0 it would be infinite.
        return ops.sqrt(ops.maximum(squared_mmd(x, fake), 1e-6))

    def decode_step(self, z):
        return self.generator(z)


def squared_mmd(x, y):
    """The squared maximum mean discrepancy of two batches of images: a scalar, 0 if they are the same images."""
    x, y = (ops.reshape(images, (ops.shape(images)[0], -1)) for images in (x, y))
    return _mean_kernel(x, x) - 2.0 * _mean_kernel(x, y) + _mean_kernel(y, y)


def _mean_kernel(x, y):
    """The kernel's mean over all pairs of a row of ``x`` and a row of ``y``."""
    squares = [ops.sum(ops.square(rows), axis=1) for rows in (x, y)]
    distances = squares[0][:, None] - 2.0 * ops.matmul(x, ops.transpose(y)) + squares[1][None, :]
    return ops.mean(sum(ops.exp(-distances / (2.0 * width**2)) for width in WIDTHS))
