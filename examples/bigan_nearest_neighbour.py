"""How well a BiGAN's codes tell digits apart: table 1 of Donahue et al. (2017), permutation-invariant MNIST.

python examples/bigan_nearest_neighbour.py    # 10 minutes on two busy cores; writes bigan_nearest_neighbour.png

The score is the share of test images whose nearest neighbour among the training images, by the Euclidean distance of
their codes E(x), has their label. As in the paper the learning rate falls to a hundredth over the second half of the
training. The picture: samples, then test images above their reconstructions G(E(x)).

It reads MNIST from TensorFlow Datasets' folder: --data-dir, or TFDS_DATA_DIR. Any backend: KERAS_BACKEND=jax.
"""

from genzoo.extras import require

if __name__ == "__main__":
    require(__file__, sklearn="metrics")

import argparse

import keras
import numpy as np

import genzoo
from genzoo import metrics, viz


def decay(epochs, start=2e-4):
    """The paper's learning rate: constant for half of the epochs, then exponentially down to a hundredth."""

    def rate(epoch, _=None):
        return start * 0.01 ** max(0.0, 2.0 * epoch / epochs - 1.0)

    return keras.callbacks.LearningRateScheduler(rate)


def picture(model, images):
    """Three rows of samples, and three of images above their reconstructions, 20 each."""
    rows = [model.sample(60, seed=0)]
    for i in range(0, 60, 20):
        rows += [images[i : i + 20] / 255, model.reconstruct(images[i : i + 20])]
    return viz.image_grid(np.concatenate(rows), 20)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--hidden-dim", type=int, default=512, help="1024 in the paper, which trains for 400 epochs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir")
    args = parser.parse_args()
    train, test = (genzoo.data.load("mnist", split, data_dir=args.data_dir) for split in ("train", "test"))
    model = genzoo.get("bigan", hidden_dim=args.hidden_dim, seed=args.seed)
    model.build((None, 28, 28, 1))
    vectors = {
        "pixels": [split.images.reshape(len(split.images), -1) / np.float32(255) for split in (train, test)],
        "codes before training": [model.encode(split.images) for split in (train, test)],
    }
    model.fit(train.images, epochs=args.epochs, callbacks=[decay(args.epochs)], verbose=2)
    vectors[f"codes after {args.epochs} epochs"] = [model.encode(split.images) for split in (train, test)]
    for name, (near, asked) in vectors.items():
        accuracy = metrics.knn_accuracy(near, train.labels, asked, test.labels)
        print(f"nearest neighbour by {name}: {accuracy:.2%} of {len(asked)} test images")
    print(viz.save_image("bigan_nearest_neighbour.png", picture(model, test.images)))


if __name__ == "__main__":
    main()
