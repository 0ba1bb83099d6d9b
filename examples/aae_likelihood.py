"""The AAE's log-likelihood on MNIST, estimated as in table 2 of Makhzani et al. (2016): a Parzen window over samples.

python examples/aae_likelihood.py         # 25 minutes on one core; writes aae_likelihood.png, a grid of samples

The window's width is the best of ten on 1000 images held out from training. It reads MNIST from TensorFlow Datasets'
folder: --data-dir, or TFDS_DATA_DIR.
"""

from genzoo.extras import require

if __name__ == "__main__":
    require(__file__, tensorflow_datasets="data")

import argparse

import numpy as np

import genzoo
from genzoo import viz
from genzoo.metrics import parzen_log_likelihood


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--data-dir")
    args = parser.parse_args()
    splits = ("train[:55000]", "train[55000:]", "test")
    train, held_out, test = (genzoo.data.load("mnist", split, data_dir=args.data_dir) for split in splits)
    model = genzoo.get("aae", seed=0)
    model.fit(train.images, epochs=args.epochs, verbose=2)
    samples = model.sample(args.samples, seed=0)
    widths = np.geomspace(0.1, 0.4, 10)
    scores = [parzen_log_likelihood(samples, held_out.images[:1000] / 255, width).mean() for width in widths]
    width = widths[np.argmax(scores)]
    score = parzen_log_likelihood(samples, test.images / 255, width)
    error = score.std() / len(score) ** 0.5
    print(f"{score.mean():.0f} ± {error:.0f} nats per test image with {args.samples} samples and width {width:.2f}")
    print(viz.save_image("aae_likelihood.png", viz.image_grid(samples[:100], 10)))


if __name__ == "__main__":
    main()
