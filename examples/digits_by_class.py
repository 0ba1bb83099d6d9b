"""Digits on demand: trains a conditional model on MNIST, draws each class in a row, and asks a classifier to read them.

python examples/digits_by_class.py --model cvae       # a minute; also cgan and cdcgan; writes digits_by_class.png

It reads MNIST from TensorFlow Datasets' folder: --data-dir, or TFDS_DATA_DIR. Any backend: KERAS_BACKEND=jax.
"""

from genzoo.extras import require

if __name__ == "__main__":
    require(__file__, sklearn="metrics")

import argparse
import json

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

import genzoo
from genzoo import viz


def classifier_of(train):
    """Three nearest neighbours among 10,000 real digits: it has seen no generated one."""
    return KNeighborsClassifier(3).fit(train.images[:10_000].reshape(10_000, -1) / 255, train.labels[:10_000])


def agreement(model, classifier):
    """The share of 1000 samples, 100 per class, in which the classifier sees the class that was asked for."""
    labels = np.repeat(np.arange(10), 100)
    return np.mean(classifier.predict(model.sample(1000, labels=labels, seed=0).reshape(1000, -1)) == labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cvae", choices=genzoo.list_models(tags="conditional"))
    parser.add_argument("--config", type=json.loads, default={}, help="options of the model: '{\"filters\": 32}'")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--data-dir")
    args = parser.parse_args()
    train, test = (genzoo.data.load("mnist", split, data_dir=args.data_dir) for split in ("train", "test"))
    classifier = classifier_of(train)
    real = classifier.score(test.images[:1000].reshape(1000, -1) / 255, test.labels[:1000])
    model = genzoo.get(args.model, seed=0, **args.config)
    model.fit(train.images, train.labels, epochs=args.epochs, verbose=2)
    print(f"agreement: {agreement(model, classifier):.1%} of generated digits, {real:.1%} of real ones")
    digits = model.sample(100, labels=np.repeat(np.arange(10), 10), seed=1)
    print(viz.save_image("digits_by_class.png", viz.image_grid(digits, 10)))


if __name__ == "__main__":
    main()
