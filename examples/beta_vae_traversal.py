"""What a beta-VAE finds in sprites whose factors are known: its active latents follow x, y and scale.

KERAS_BACKEND=jax python examples/beta_vae_traversal.py     # 2 minutes on one core; writes beta_vae_traversal.png

Prints how strongly every latent follows every factor on images that it was not trained on: |correlation| for x, y and
scale; for shape and orientation, which have no order, the root of the variance explained. Then MIG, SAP and DCI, which
put such a table into a number; the latents that the KL term turned off vary little and still know something of each
factor, so that it counts whether they are among them. Some runs spread x and y over more than two latents: then another
``--seed`` helps.
"""

from genzoo.extras import require

if __name__ == "__main__":
    require(__file__, matplotlib="plot", sklearn="metrics")

import argparse

import keras
import numpy as np
from matplotlib.figure import Figure

import genzoo
from genzoo import metrics
from genzoo.data.sprites import factors

ORDERED = ("x", "y", "scale")
NAMES = (*ORDERED, "shape", "orientation")
START = {"shape": 2, "scale": 0.8, "orientation": 0, "x": 5 / 11, "y": 6 / 11}  # a heart near the middle
VALUES = np.linspace(-2, 2, 9)


def association(latent, factor, ordered):
    """How much of a latent a factor explains, from 0 to 1."""
    if ordered:
        return abs(np.corrcoef(latent, factor)[0, 1])
    _, group = np.unique(factor, return_inverse=True)
    return (np.bincount(group, latent) / np.bincount(group))[group].std() / latent.std()


def measured(model, images, truth):
    """Codes, the KL of every latent in nats per image, and what it follows: association ``(latents, factors)``."""
    mean, log_variance = (keras.ops.convert_to_numpy(t) for t in model.encoder.predict(images / 255.0, verbose=0))
    table = [[association(latent, truth[name], name in ORDERED) for name in NAMES] for latent in mean.T]
    return mean, 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).mean(axis=0), np.array(table)


def picture(images, dims, kl, table):
    """A matplotlib figure: a row per latent with its images, its KL, and as a heat map what it follows."""
    rows, columns = images.shape[:2]
    figure = Figure(figsize=(11, 0.68 * rows + 0.8), layout="constrained")
    grid, heat = figure.subplots(1, 2, width_ratios=[columns, 0.8 * len(NAMES)])
    strips = np.pad(images[..., 0], [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=0.4).transpose(0, 2, 1, 3)
    pixels = strips.reshape(rows * strips.shape[1], -1)
    grid.imshow(pixels, cmap="gray", vmin=0, vmax=1, extent=(0, columns, rows, 0), aspect="auto")
    names = np.where(kl > 0.1, np.array(NAMES)[table.argmax(axis=1)], "unused")
    grid.set_yticks(np.arange(rows) + 0.5, [f"{names[d]}\nz{d}, {kl[d]:.2f} nats" for d in dims])
    grid.set_xticks(np.arange(columns) + 0.5, [f"{value:+.1f}" for value in VALUES])
    grid.set(title="One latent set to each value, the others as encoded")
    shown = np.where(kl[dims, None] > 0.1, table[dims], np.nan)  # what an unused latent follows is noise
    heat.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(shown[kl[dims] > 0.1]):  # sorted, so these are the first
        heat.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.6 else "black")
    heat.set_xticks(range(len(NAMES)), [*NAMES[:-1], "orient."])
    heat.set(yticks=[], title="How strongly it follows")
    for axes in (grid, heat):
        axes.tick_params(length=0)
        axes.set_frame_on(False)
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=75, help="of 20 steps each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train, test = (genzoo.data.load("sprites", split, image_size=32, batch_size=64) for split in ("train", "test"))
    model = genzoo.get("beta-vae", beta=8, seed=options.seed)
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    model.fit(train, epochs=options.epochs, steps_per_epoch=20, verbose=2)
    codes, kl, table = measured(model, test.images, truth := factors("test"))
    print("latent    KL  " + "  ".join(f"{name:>11}" for name in NAMES))
    for d in (order := np.argsort(-kl)):
        print(f"{d:>6} {kl[d]:5.2f}  " + "  ".join(f"{value:11.2f}" for value in table[d]))
    for which, chosen in {"all": codes, "active": codes[:, kl > 0.1]}.items():
        scores = {"MIG": metrics.mig(chosen, truth), "SAP": metrics.sap(chosen, truth)}
        scores |= metrics.dci(chosen, truth)._asdict()
        print(f"{which} latents:", ", ".join(f"{name} {value:.3f}" for name, value in scores.items()))
    start = sum(np.abs(truth[name] - value) for name, value in START.items()).argmin()
    dims = order[: max(2, (kl > 0.1).sum() + 1)]  # the active ones and one that is not
    grid = model.traverse(test.images[start], dims=dims, values=VALUES)
    picture(grid, dims, kl, table).savefig("beta_vae_traversal.png", dpi=100)
