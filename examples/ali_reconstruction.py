"""What ALI's reconstructions of digits keep: a small model on MNIST, and how many are of their input's class.

python examples/ali_reconstruction.py    # 10 minutes on two busy cores; writes ali_reconstruction.png

The class of a reconstruction is that of the nearest of the 60,000 training images. The picture: samples, then test
images above their reconstructions.

It reads MNIST from TensorFlow Datasets' folder: --data-dir, or TFDS_DATA_DIR. Any backend: KERAS_BACKEND=tensorflow.
"""

from genzoo.extras import require

if __name__ == "__main__":
    require(__file__, sklearn="metrics")

import argparse

import keras
import numpy as np
from bigan_nearest_neighbour import picture
from sklearn.neighbors import KNeighborsClassifier

import genzoo
from genzoo import viz


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--latent-dim", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=4e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir")
    args = parser.parse_args()
    train, test = (genzoo.data.load("mnist", split, data_dir=args.data_dir) for split in ("train", "test"))
    model = genzoo.get("ali", filters=args.filters, latent_dim=args.latent_dim, seed=args.seed)
    model.compile(keras.optimizers.Adam(args.learning_rate, beta_1=0.5))
    model.fit(train.images, epochs=args.epochs, verbose=2)

    classifier = KNeighborsClassifier(1, algorithm="brute")
    classifier.fit(train.images.reshape(len(train.images), -1) / np.float32(255), train.labels)
    given, made = test.images / np.float32(255), model.reconstruct(test.images)
    for name, images in (("test images", given), ("reconstructions", made)):
        accuracy = classifier.score(images.reshape(len(images), -1), test.labels)
        print(f"{name}: {accuracy:.1%} of {len(images)} are of the test image's class")
    print(f"squared error per pixel: {np.mean((made - given) ** 2):.4f}; of the mean image: {given.var(0).mean():.4f}")
    print(viz.save_image("ali_reconstruction.png", picture(model, test.images)))


if __name__ == "__main__":
    main()
