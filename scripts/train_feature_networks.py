"""Trains the classifiers whose features ``genzoo.metrics`` compares images in, and writes them where it ships them.

KERAS_BACKEND=tensorflow python scripts/train_feature_networks.py mnist            # some ten minutes on two cores
KERAS_BACKEND=tensorflow python scripts/train_feature_networks.py fashion_mnist

Prints the accuracy on the test images and the SHA-256 for ``genzoo.metrics.features.SHIPPED``. The same seed gives the
same network up to the rounding of the backend and its version, so what is trained anew has another hash.
"""

import argparse
import hashlib
from pathlib import Path

import keras
import numpy as np

from genzoo import data
from genzoo.files import written
from genzoo.metrics.features import NETWORKS, classifier

EPOCHS = {"mnist": 8, "fashion_mnist": 16}
BATCH, SHIFT = 128, 2


class Shifted(keras.utils.PyDataset):
    """Batches in a new order every epoch, each image shifted by up to two pixels, clothes also turned round."""

    def __init__(self, images, labels, mirror, seed):
        super().__init__()
        self.images = np.pad(images, [(0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)])
        self.labels, self.mirror, self.rng = labels, mirror, np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return len(self.images) // BATCH

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.images))

    def __getitem__(self, i):
        chosen = self.order[i * BATCH : (i + 1) * BATCH]
        windows = np.lib.stride_tricks.sliding_window_view(self.images[chosen], (28, 28), axis=(1, 2))
        down, right = self.rng.integers(0, 2 * SHIFT + 1, (2, BATCH))
        x = np.moveaxis(windows[np.arange(BATCH), down, right], 1, -1).astype("float32") / 255
        if self.mirror:
            turned = self.rng.random(BATCH) < 0.5
            x[turned] = x[turned, :, ::-1]
        return x, self.labels[chosen]


def train(name, epochs, seed):
    train, test = (data.load(name, split) for split in ("train", "test"))
    keras.utils.set_random_seed(seed)
    model = classifier(seed)
    rate = keras.optimizers.schedules.CosineDecay(0.0, epochs * 468, warmup_target=2e-3, warmup_steps=468)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.02), smoothed_cross_entropy, metrics=["accuracy"])
    batches = Shifted(train.images, train.labels, name == "fashion_mnist", seed)
    tests = (test.images.astype("float32") / 255, test.labels)
    model.fit(batches, epochs=epochs, verbose=2)
    return model, model.evaluate(*tests, batch_size=500, verbose=0, return_dict=True)["accuracy"]


def smoothed_cross_entropy(labels, probabilities):
    targets = keras.ops.one_hot(keras.ops.cast(keras.ops.reshape(labels, (-1,)), "int32"), 10)
    return keras.losses.categorical_crossentropy(targets, probabilities, label_smoothing=0.05)


def write(model, path):
    """Weights in the order of ``get_weights``; returns the file's SHA-256."""
    with written(path) as beside:
        np.savez(beside, **{f"{i:02d}": weight for i, weight in enumerate(model.get_weights())})
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=EPOCHS)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=NETWORKS)
    chosen = parser.parse_args()
    trained, accuracy = train(chosen.name, chosen.epochs or EPOCHS[chosen.name], chosen.seed)
    chosen.out.mkdir(parents=True, exist_ok=True)
    path = chosen.out / f"{chosen.name}.npz"
    digest = write(trained, path)
    print(f"{path}: test accuracy {100 * accuracy:.2f} %, {path.stat().st_size / 1e3:.0f} kB, SHA-256 {digest}")
