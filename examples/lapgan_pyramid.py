"""Digits that grow: a LAPGAN draws them at 7x7 pixels, completes them to 14x14 and those to 28x28.

python examples/lapgan_pyramid.py         # 13 minutes beside other work; writes lapgan_pyramid.png

Prints for how many of 1000 samples the five nearest among 10,000 real digits agree on the class, and the classes. It
reads MNIST from TensorFlow Datasets' folder: --data-dir, or TFDS_DATA_DIR. Any backend: KERAS_BACKEND=tensorflow.
"""

from genzoo.extras import require

if __name__ == "__main__":
    require(__file__, sklearn="metrics")

import argparse

import numpy as np
from keras import ops
from sklearn.neighbors import KNeighborsClassifier

import genzoo
from genzoo import viz


def classifier_of(train):
    """Five nearest neighbours among 10,000 real digits."""
    return KNeighborsClassifier(5).fit(train.images[:10_000].reshape(10_000, -1) / 255, train.labels[:10_000])


def read(classifier, images):
    """The share of images whose neighbours are all of one class, and how the images spread over the classes."""
    votes = classifier.predict_proba(images.reshape(len(images), -1))
    return np.mean(votes.max(axis=1) == 1), np.bincount(votes.argmax(axis=1), minlength=10) / len(images)


def growth(model, n):
    """``n`` samples at every level, the coarse ones enlarged to the size of the fine ones: ``(levels, n, ...)``."""
    z = model.latents(n, np.random.default_rng(0))  # what sample(n, seed=0) draws
    drawn = [ops.convert_to_numpy(images) for images in model.draw(ops.convert_to_tensor(z))]
    size = drawn[-1].shape[1]
    return np.stack([images.repeat(size // images.shape[1], 1).repeat(size // images.shape[1], 2) for images in drawn])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--data-dir")
    args = parser.parse_args()
    train, test = (genzoo.data.load("mnist", split, data_dir=args.data_dir) for split in ("train", "test"))
    model = genzoo.get("lapgan", filters=args.filters, seed=0)
    model.fit(train.images, epochs=args.epochs, verbose=2)
    classifier, samples = classifier_of(train), model.sample(1000, seed=0)
    for name, images in (("real", test.images[:1000] / 255), ("generated", samples)):
        agreed, classes = read(classifier, images)
        print(f"{name}: {agreed:.1%} with neighbours of one class; share of each class: {classes.round(2)}")
    grown = growth(model, 20).reshape(-1, *samples.shape[1:])
    print(viz.save_image("lapgan_pyramid.png", viz.image_grid(np.concatenate([grown, samples[20:120]]), 20)))


if __name__ == "__main__":
    main()
