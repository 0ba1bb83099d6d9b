"""Adversarial autoencoders in the plane: codes of MNIST's test images take the shape of the prior, class by class.

python examples/aae_priors.py             # 20 minutes on one core; writes aae_priors.png

As in figures 2 to 4 of Makhzani et al. (2016): a Gaussian without labels, then ten Gaussians and a Swiss roll whose
parts belong to the classes. The autoencoder learns at 0.001, to which the paper lowers its rate after 50 epochs: at the
first rate, 0.01, reconstruction soon pins classes to places that the prior gives to others. MNIST comes from TensorFlow
Datasets' folder: --data-dir, or TFDS_DATA_DIR.
"""

from genzoo.extras import require

if __name__ == "__main__":
    require(__file__, matplotlib="plot", tensorflow_datasets="data")

import argparse

import keras
import numpy as np
from matplotlib.figure import Figure

import genzoo
from genzoo import viz

PRIORS = {
    "gaussian": ("Gaussian, no labels", {"prior": "gaussian"}),
    "gaussian-mixture": ("ten Gaussians, one per class", {"prior": "gaussian-mixture", "num_classes": 10}),
    "swiss-roll": ("Swiss roll, a tenth per class", {"prior": "swiss-roll", "num_classes": 10}),
}


def trained(prior, train, epochs):
    model = genzoo.get("aae", latent_dim=2, seed=0, **PRIORS[prior][1])
    model.compile({"autoencoder": keras.optimizers.SGD(0.001, momentum=0.9)})
    model.fit(train.images, train.labels, epochs=epochs, verbose=2)
    return model


def draw(axes, model, test):
    """Codes above, coloured by class; samples below, a class per row where labels shape the prior."""
    codes, top, bottom = model.encode(test.images), *axes
    points = top.scatter(*codes.T, c=test.labels, cmap="tab10", vmin=-0.5, vmax=9.5, s=2)
    reach = np.abs(model.latents(5000, np.random.default_rng(0))).max() * 1.05
    top.set(title=PRIORS[model.prior][0], aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach))
    labels = None if model.num_classes is None else np.repeat(np.arange(10), 10)
    bottom.imshow(viz.image_grid(model.sample(100, labels=labels, seed=0), 10), cmap="gray")
    bottom.axis("off")
    return points


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--data-dir")
    args = parser.parse_args()
    train, test = (genzoo.data.load("mnist", split, data_dir=args.data_dir) for split in ("train", "test[:5000]"))
    figure = Figure(figsize=(12, 8), layout="constrained", dpi=90)
    grid = figure.subplots(2, len(PRIORS))
    for i, prior in enumerate(PRIORS):
        points = draw(grid[:, i], trained(prior, train, args.epochs), test)
    figure.colorbar(points, ax=grid[0], ticks=range(10), label="class")
    figure.savefig("aae_priors.png")
    print("aae_priors.png")


if __name__ == "__main__":
    main()
