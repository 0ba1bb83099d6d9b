"""Posterior collapse: a decoder that can do without z, and the KL annealing that makes it use z all the same.

Two VAEs with the same strong decoder learn binary MNIST of 14x14. With the weight of the KL at 1 from the first step,
q(z | x) becomes the prior for every image, and the decoder ignores z. With a weight that rises from 0 to 1 in the first
half of training some latents stay active at full weight. Both end at about the same ELBO: it does not tell them apart.

python examples/posterior_collapse.py     # about a minute on one core; writes posterior_collapse.png

It reads MNIST from TensorFlow Datasets' folder: --data-dir, or TFDS_DATA_DIR. Any backend: KERAS_BACKEND=jax.
"""

from genzoo.extras import require

if __name__ == "__main__":
    require(__file__, matplotlib="plot", tensorflow_datasets="data")

import argparse
import math

import keras
import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure

import genzoo
from genzoo.metrics import active_units


class CausalDense(layers.Dense):
    """A dense layer from units in ``pixels`` equal groups to such groups; a group sees those before it (and itself)."""

    def __init__(self, units: int, pixels: int, sees_itself: bool, **kwargs):
        super().__init__(units, **kwargs)
        self.pixels, self.sees_itself = pixels, sees_itself

    def call(self, x):
        source, target = (np.arange(n) // (n // self.pixels) for n in (x.shape[-1], self.units))
        mask = source[:, None] <= target if self.sees_itself else source[:, None] < target
        return self.activation(ops.matmul(x, self.kernel * ops.cast(mask, self.compute_dtype)) + self.bias)


@keras.saving.register_keras_serializable("examples")
class StrongDecoderVAE(genzoo.models.VAE):
    r"""A VAE whose decoder sees all earlier pixels beside z: $p(x \mid z) = \prod_i p(x_i \mid x_{<i}, z)$.

    Pixels come in raster order. Their half of the logits is a MADE with two hidden units per pixel (Germain et al.
    2015); the half of z comes from a deep network, which learns later than the pixels' half does.

    Images for latents alone (``decode``, ``sample``, ``reconstruct``) are drawn pixel after pixel, each at its likelier
    value given those before it. No noise but z enters: this is greedy search, not a sample of p(x | z).
    """

    batch_size = 64

    def default_optimizers(self):
        return {"autoencoder": keras.optimizers.Adam(2e-3)}

    def build_decoder(self, image_shape):
        z, x, pixels = keras.Input((self.latent_dim,)), keras.Input(image_shape), math.prod(image_shape)
        seen = CausalDense(2 * pixels, pixels, sees_itself=False, activation="relu")(layers.Flatten()(x))
        seen = CausalDense(pixels, pixels, sees_itself=True, dtype="float32")(seen)
        told = z
        for _ in range(4):
            told = layers.Dense(self.hidden_dim, activation="relu")(told)
        logits = layers.Add(dtype="float32")([seen, layers.Dense(pixels, dtype="float32")(told)])
        return keras.Model([z, x], layers.Reshape(image_shape, dtype="float32")(logits), name="decoder")

    def decoder_output(self, z, y=None, x=None):
        if x is None:
            # Whatever it starts from, i rounds make the first i pixels right: none depends on a later one.
            x = ops.zeros((ops.shape(z)[0], *self.image_shape))
            rounds = math.prod(self.image_shape)
            x = ops.fori_loop(0, rounds, lambda _, x: ops.cast(self.decoder([z, x]) > 0, "float32"), x)
        return self.decoder([z, x])


def binary_mnist(split, data_dir=None):
    return genzoo.data.load("mnist", split, image_size=14, data_dir=data_dir).images > 127


def trained(kl_schedule, images, epochs, seed):
    """A model and its KL per epoch; a schedule other than ``"constant"`` reaches 1 halfway."""
    halfway = epochs * math.ceil(len(images) / StrongDecoderVAE.batch_size) // 2
    schedule = {} if kl_schedule == "constant" else {"kl_schedule": kl_schedule, "kl_steps": halfway}
    model = StrongDecoderVAE(latent_dim=8, hidden_dim=128, seed=seed, **schedule)
    return model, model.fit(images, epochs=epochs, verbose=0).history["kl_loss"]


def figure_of(results):
    figure = Figure(figsize=(10, 4), layout="constrained", dpi=110)
    figure.suptitle("Posterior collapse: the same strong decoder with and without KL annealing")
    left, right = figure.subplots(1, 2)
    for (label, kl, variances), color, marker in zip(results, ("tab:red", "tab:blue"), "os", strict=True):
        ranks, active = range(1, len(variances) + 1), f"{label}: {np.sum(variances > 0.01)} of {len(variances)} active"
        left.plot(range(1, len(kl) + 1), kl, color=color, marker=marker, label=label)
        right.plot(ranks, np.sort(variances)[::-1], color=color, marker=marker, linewidth=0.8, label=active)
    left.axvline((len(kl) + 1) / 2, color="grey", linestyle=":", label="annealed weight reaches 1")
    left.set(title="What z says about an image", xlabel="epoch", ylabel="KL from the prior (nats per image)")
    right.axhline(0.01, color="black", linestyle="--", label="active above 0.01")
    right.set(title="Which latents say it", xlabel="latent, sorted", ylabel="variance of its posterior mean")
    right.set(yscale="log", ylim=(1e-7, 1e4), xticks=ranks)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(edgecolor="none", framealpha=1)
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="?", default="posterior_collapse.png")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir")
    args = parser.parse_args()
    train, test = (binary_mnist(split, args.data_dir) for split in ("train[:20000]", "test"))
    results = []
    for kl_schedule, label in (("constant", "constant weight 1"), ("linear", "annealed weight")):
        model, kl = trained(kl_schedule, train, args.epochs, args.seed)
        codes, scores = model.encode(test), model.evaluate(test, verbose=0, return_dict=True)
        print(
            f"{label}: {active_units(codes)} of 8 latents active; on test images KL {scores['kl_loss']:.2f}, "
            f"negative ELBO {scores['kl_loss'] + scores['reconstruction_loss']:.2f} nats"
        )
        results.append((label, kl, codes.var(axis=0)))
    figure_of(results).savefig(args.path)
