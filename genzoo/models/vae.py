"""Auto-Encoding Variational Bayes (Kingma and Welling, 2014)."""

import keras
from keras import ops

from genzoo import losses, networks
from genzoo.model import GenerativeModel
from genzoo.validation import positive_int


@keras.saving.register_keras_serializable("genzoo")
class VAE(GenerativeModel):
    r"""Variational autoencoder with fully connected networks and Bernoulli pixels.

    The encoder maps an image to a Gaussian $q(z \mid x) = N(\mu, \operatorname{diag} \sigma^2)$, a sample of it is
    drawn as $z = \mu + \sigma \epsilon$ so that gradients pass, and the decoder gives every pixel's probability.
    Training maximises the evidence lower bound on $\log p(x)$:

    $$\mathrm{ELBO} = E_{q(z \mid x)} \log p(x \mid z) - D_{KL}[q(z \mid x) \,\|\, N(0, I)]$$

    Metrics, in nats per image: ``loss`` (the negative ELBO), ``reconstruction_loss``, ``kl_loss``.

    Args:
        latent_dim: size of $z$.
        hidden_dim: width of the hidden layer of each network.
        **kwargs: ``seed``, ``name``, ``dtype``.

    Example:
    >>> import genzoo, numpy as np
    >>> model = genzoo.get("vae", seed=0)
    >>> history = model.fit(np.zeros((4, 28, 28, 1), "uint8"), verbose=0)
    >>> model.sample(2, seed=0).shape, model.encode(np.zeros((3, 28, 28, 1), "uint8")).shape
    ((2, 28, 28, 1), (3, 20))

    Deviations:
        1. Architecture, initial weights and optimizer (784-400-20, ReLU, uniform in 1 / sqrt(fan in), Adam at 1e-3,
           batch 128) are those of the widespread PyTorch example, which the survey that genzoo started from trains;
           the paper has tanh units, weights from N(0, 0.01) and Adagrad.
        2. Grey values enter the Bernoulli likelihood as they are, as in that example.

    Reference:
        @inproceedings{kingma2014auto,
          title={Auto-Encoding Variational Bayes},
          author={Kingma, Diederik P. and Welling, Max},
          booktitle={International Conference on Learning Representations},
          year={2014}
        }
    """

    players = {"autoencoder": ("encoder", "decoder")}
    logs = {
        "reconstruction_loss": "-log p(x | z), nats per image",
        "kl_loss": "KL of q(z | x) from the prior, nats per image",
    }
    tags = frozenset({"vae", "encoder"})
    batch_size = 128

    def __init__(self, latent_dim: int = 20, hidden_dim: int = 400, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.hidden_dim = positive_int("hidden_dim", hidden_dim)

    def build_networks(self, image_shape):
        self.encoder = networks.dense_encoder(image_shape, self.hidden_dim, self.latent_dim)
        self.decoder = networks.dense_decoder(self.latent_dim, self.hidden_dim, image_shape)

    def default_optimizers(self):
        return {"autoencoder": keras.optimizers.Adam(1e-3)}

    def compute_loss(self, x=None, y=None):
        mean, log_variance = self.encoder(x)
        epsilon = self.noise(ops.shape(x)[0])
        z = mean + ops.exp(0.5 * log_variance) * epsilon
        reconstruction = losses.bernoulli_nll(x, self.decoder(z))
        kl = losses.standard_normal_kl(mean, log_variance)
        self.log("reconstruction_loss", reconstruction)
        self.log("kl_loss", kl)
        return reconstruction + kl

    def encode_step(self, x):
        return self.encoder(x)[0]

    def decode_step(self, z):
        return ops.sigmoid(self.decoder(z))
