"""A GAN on distributions that one can draw: a Gaussian (figure 7 of the survey), and eight Gaussians on a ring.

python examples/toy_distributions.py      # 2 minutes on a laptop; writes toy_distributions.png

Images are points: one pixel is a coordinate, and two pixels are two. What the picture should show: the generator's
density moves onto the data's while D(x) goes to 1/2 wherever there is data, and no point of the ring is left out.
"""

from genzoo.extras import require

if __name__ == "__main__":
    require(__file__, matplotlib="plot")

import argparse

import keras
import numpy as np
from matplotlib.figure import Figure

import genzoo

CENTRES = 0.5 + 0.35 * np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], 1)
MEAN, STD = 0.6, 0.08


def gaussian(n, rng):
    """Points on the line, ``(n, 1, 1, 1)``."""
    return np.clip(rng.normal(MEAN, STD, (n, 1, 1, 1)), 0, 1).astype("float32")


def ring(n, rng):
    """Points in the plane, ``(n, 1, 2, 1)``, 0.01 around the centres."""
    points = CENTRES[rng.integers(0, 8, n)] + 0.01 * rng.standard_normal((n, 2))
    return points.reshape(n, 1, 2, 1).astype("float32")


def trained_on(x, stages, rates, **options):
    """Trains a GAN and yields it when it has made each of the ``stages``, in epochs."""
    # A penalty on the discriminator's slope at the data makes the game converge, and the average calms what is left.
    model = genzoo.get("gan", latent_dim=2, activation="leaky-relu", dropout=0, penalty="r1", seed=0, **options)
    model.compile({player: keras.optimizers.Adam(rate, beta_1=0.0) for player, rate in rates.items()})
    model.build((None, *x.shape[1:]))
    for start, stop in zip((0, *stages), stages, strict=False):
        model.fit(x, batch_size=256, initial_epoch=start, epochs=stop, verbose=0)
        yield model


def gaussian_gan(x, stages):
    rates = {"discriminator": 1e-2, "generator": 3e-4}  # and 5 steps: D stays near its optimum p / (p + p_G)
    options = {"hidden_dim": 64, "discriminator_steps": 5, "penalty_weight": 0.001, "ema_decay": 0.99}
    return trained_on(x, stages, rates, **options)


def ring_gan(x, stages):
    rates = {"discriminator": 1e-3, "generator": 1e-3}
    return trained_on(x, stages, rates, hidden_dim=128, penalty_weight=0.01, ema_decay=0.999)


def draw_line(axes, model, epoch):
    x, width = np.linspace(0, 1, 201), 0.02
    density = np.exp(-0.5 * ((x - MEAN) / STD) ** 2) / (STD * np.sqrt(2 * np.pi))
    counts, edges = np.histogram(model.sample(10_000, seed=0), np.arange(0, 1 + width, width))
    logits = keras.ops.convert_to_numpy(model.discriminator(x.reshape(-1, 1, 1, 1).astype("float32")))
    axes.stairs(counts / 10_000 / width, edges, color="tab:green", fill=True, alpha=0.4, label="generator")
    axes.plot(x, density, "k:", label="data")
    axes.set(title=f"epoch {epoch}", ylim=(0, 10), yticks=[], xlabel="x")
    right = axes.twinx()
    right.plot(x, 1 / (1 + np.exp(-logits[:, 0])), "--", color="tab:blue")
    right.set(ylim=(0, 1), yticks=[0, 0.5, 1])
    right.tick_params(axis="y", colors="tab:blue")
    axes.plot([], [], "--", color="tab:blue", label="D(x), right axis")


def draw_ring(axes, model, epoch):
    points = model.sample(2000, seed=0).reshape(-1, 2)
    axes.scatter(*CENTRES.T, s=160, facecolors="none", edgecolors="black", linestyle=":", label="data")
    axes.plot(*points.T, ".", markersize=3, color="tab:green", alpha=0.5, label="generator")
    axes.set(title=f"epoch {epoch}", xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[], aspect="equal")


def report(model):
    """What the picture shows, in figures."""
    points = model.sample(2000, seed=0)
    if points.shape[2] == 1:
        return f"line: mean {points.mean():.3f} (data {MEAN}), standard deviation {points.std():.3f} (data {STD})"
    distances = np.linalg.norm(points.reshape(-1, 1, 2) - CENTRES, axis=2)
    shares = np.bincount(distances.argmin(axis=1), minlength=8) / len(points)
    near = np.mean(distances.min(axis=1) < 0.06)
    return f"ring: {near:.1%} of the points near a centre, each with {shares.min():.1%} to {shares.max():.1%}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=60)
    epochs = parser.parse_args().epochs
    stages, rng = (*(max(1, epochs // n) for n in (60, 20, 6)), epochs), np.random.default_rng(0)
    figure = Figure(figsize=(13, 6.5), layout="constrained")
    rows = figure.subplots(2, len(stages))
    runs = [(gaussian_gan(gaussian(4096, rng), stages), draw_line), (ring_gan(ring(20_000, rng), stages), draw_ring)]
    for row, (run, draw) in zip(rows, runs, strict=True):
        for axes, model, stage in zip(row, run, stages, strict=True):
            draw(axes, model, stage)
        row[-1].legend(loc="upper left" if draw is draw_line else "center")
        print(report(model))
    figure.savefig("toy_distributions.png", dpi=100)
    print("toy_distributions.png: data and generator at epochs", *stages)


if __name__ == "__main__":
    main()
