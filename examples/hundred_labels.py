"""A hundred labels: trains a semi-supervised model on MNIST with ten labels per class, and counts its test errors.

python examples/hundred_labels.py --model ssgan       # or adgm; writes hundred_labels.png, a grid of samples

It reads MNIST from TensorFlow Datasets' folder: --data-dir, or TFDS_DATA_DIR. Any backend: KERAS_BACKEND=torch.
"""

from genzoo.extras import require

if __name__ == "__main__":
    require(__file__, sklearn="metrics")

import argparse
import json

import keras
import numpy as np
from sklearn.neural_network import MLPClassifier

import genzoo
from genzoo import viz


def errors(model, test):
    """How many of the test images the model puts into a wrong class."""
    return int(np.sum(model.classify(test.images, batch_size=1000).argmax(1) != test.labels))


def errors_without(batches, test, seed):
    """The same of a network with two layers of 500 that has seen the images with a label alone."""
    labelled = batches.labels >= 0
    seen, unseen = (images.reshape(len(images), -1) / 255 for images in (batches.images[labelled], test.images))
    classifier = MLPClassifier((500, 500), max_iter=300, random_state=seed).fit(seen, batches.labels[labelled])
    return int(np.sum(classifier.predict(unseen) != test.labels))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ssgan", choices=["ssgan", "adgm"])
    parser.add_argument("--config", type=json.loads, default={}, help="options of the model: '{\"hidden_dim\": 500}'")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--batch-size", type=int, help="labelled and unlabelled images together")
    parser.add_argument("--labelled-fraction", type=float, default=0.5, help="the labelled share of a batch")
    parser.add_argument("--seed", type=int, default=0, help="of the model, and of the choice of labels")
    parser.add_argument("--data-dir")
    args = parser.parse_args()
    train, test = (genzoo.data.load("mnist", split, data_dir=args.data_dir) for split in ("train", "test"))
    model = genzoo.get(args.model, seed=args.seed, **args.config)
    batches = genzoo.data.semi_supervised(
        train,
        num_labelled=args.labels,
        batch_size=args.batch_size or model.batch_size,
        labelled_fraction=args.labelled_fraction,
        seed=args.seed,
    )

    print(f"labels alone: {errors_without(batches, test, args.seed)} errors in {len(test.images)}", flush=True)

    def report(epoch, logs):
        print(f"epoch {epoch + 1}: {errors(model, test)} errors in {len(test.images)}", flush=True)

    model.fit(batches, epochs=args.epochs, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=report)], verbose=2)
    print(viz.save_image("hundred_labels.png", viz.image_grid(model.sample(100, seed=1), 10)))


if __name__ == "__main__":
    main()
