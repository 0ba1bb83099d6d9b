"""Conditional models draw what they are asked for: a classifier of real digits reads the labels back."""

import keras
import places
import pytest

import genzoo

# Options, pixels and epochs that are enough for nine in ten: much less than for good pictures.
TRAININGS = {
    "cvae": ({"latent_dim": 5}, 28, 15),
    "cgan": ({}, 28, 14),
    "cdcgan": ({"filters": 16, "ema_decay": 0.999}, 16, 6),
}


def test_every_conditional_gan_and_vae_is_trained_here():
    semi_supervised = set(genzoo.list_models(tags="classifier"))  # trained on few labels, in tests of their own
    assert set(TRAININGS) == set(genzoo.list_models(tags="conditional")) - semi_supervised


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_a_classifier_reads_the_label_that_was_asked_for(name, mnist_dir):
    example = places.example("digits_by_class")
    config, size, epochs = TRAININGS[name]
    train = genzoo.data.load("mnist", "train", image_size=size, data_dir=mnist_dir)
    model = genzoo.get(name, seed=0, **config)
    model.fit(train.images, train.labels, epochs=epochs, verbose=0)
    share = example.agreement(model, example.classifier_of(train))
    print(f"\n{name} on MNIST, {keras.config.backend()}, {epochs} epochs: {share:.1%}")
    assert share >= 0.9
