"""Pixels that are drawn anew in every epoch: their statistics, their seed, and where a resumed run goes on."""

import numpy as np
import pytest

import genzoo
from genzoo import data
from genzoo.data.batches import ImageBatches, some_images

GREY = data.load("digits", shuffle=False).images


def epochs_of(batches, count):
    """All images of so many epochs, in the order of the set."""
    for _ in range(count):
        batches.on_epoch_begin()
        yield np.concatenate([batches[i][0] for i in range(len(batches))])


def dynamic(seed=0, **options):
    return ImageBatches(GREY, batch_size=100, seed=seed, shuffle=False, binarise=True, **options)


def test_every_epoch_draws_anew_with_the_grey_value_as_probability():
    drawn = np.stack(list(epochs_of(dynamic(), 200)))
    assert drawn.dtype == bool
    p = GREY / 255
    errors = (drawn.mean(0) - p) / np.sqrt(np.maximum(p * (1 - p), 1e-9) / len(drawn))
    inside = (p > 0) & (p < 1)
    assert abs(errors[inside].mean()) < 0.02
    assert errors[inside].std() == pytest.approx(1, abs=0.02)
    assert (drawn[:, p == 0] == 0).all()
    assert (drawn[:, p == 1] == 1).all()
    # One epoch says nothing of the next.
    gaps = drawn[:-1].astype(float) - p, drawn[1:].astype(float) - p
    assert abs(np.mean(gaps[0] * gaps[1])) < 1e-3


def test_draws_follow_from_the_seed_and_the_steps_before():
    whole = list(epochs_of(dynamic(), 3))
    np.testing.assert_array_equal(whole, list(epochs_of(dynamic(), 3)))
    assert (whole[0] != whole[1]).any()
    assert (whole[0] != next(epochs_of(dynamic(seed=1), 1))).any()
    steps = len(dynamic())
    (later,) = epochs_of(dynamic().resumed(2 * steps, shuffle=False), 1)
    np.testing.assert_array_equal(later, whole[2])
    endless = dynamic(endless=True)
    np.testing.assert_array_equal(np.concatenate([endless[i][0] for i in range(2 * steps)]), np.concatenate(whole[:2]))


def test_what_is_loaded_to_train_on_is_drawn_anew_and_what_is_to_test_on_once():
    train, test = (data.load("digits", split, binarise="dynamic", seed=3) for split in ("train", "test"))
    assert (train.binarise, test.binarise) == (True, False)
    np.testing.assert_array_equal(train.images, GREY)
    np.testing.assert_array_equal(test.images, data.load("digits", "test", binarise=3).images)
    assert test.images.dtype == bool
    assert not data.load("digits", "train", shuffle=False, binarise="dynamic").binarise


def test_who_wants_all_images_gets_one_draw():
    batches = dynamic()
    still = batches.still_images
    assert still.dtype == bool
    np.testing.assert_array_equal(still, batches.still_images)
    np.testing.assert_array_equal(some_images(batches, None, 10_000, 0)[0], still)
    assert abs(still.mean() - (GREY / 255).mean()) < 0.01
    train, validation = batches.split(0.25)
    assert (train.binarise, validation.binarise) == (True, False)
    np.testing.assert_array_equal(validation.images, still[-len(validation.images) :])


def test_few_labels_and_dynamic_pixels_go_together():
    batches = data.semi_supervised(data.load("digits", binarise="dynamic"), num_labelled=20, batch_size=40)
    x, y = batches.resumed(0)[0]
    assert (x.dtype, int((y >= 0).sum())) == (bool, 20)


def test_training_on_them_resumes_exactly(tmp_path):
    def new():
        return genzoo.get("vae", hidden_dim=8, latent_dim=2, seed=0)

    whole, halved, still = new(), new(), new()
    batches = data.load("digits", batch_size=400, binarise="dynamic")
    whole.fit(batches, epochs=2, verbose=0)
    halved.fit(batches, epochs=1, verbose=0)
    halved.save(tmp_path / "halved.keras")
    halved = genzoo.load(tmp_path / "halved.keras")
    halved.fit(batches, epochs=1, verbose=0)
    still.fit(ImageBatches(batches.still_images, batch_size=400), epochs=2, verbose=0)
    for a, b in zip(whole.get_weights(), halved.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(whole.get_weights(), still.get_weights(), strict=True))
    assert whole.evaluate(batches, verbose=0) == whole.evaluate(batches, verbose=0)


def test_only_grey_values_of_8_bits_are_drawn():
    with pytest.raises(ValueError, match=r"Expected images of uint8 to binarise in every epoch. Received: float32"):
        ImageBatches(GREY.astype("float32") / 255, binarise=True)
