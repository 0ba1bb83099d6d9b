"""``features`` is what a layer makes of images; scores of representations read it."""

import keras
import numpy as np
import pytest

import genzoo
from genzoo import metrics

DIGITS = genzoo.data.load("digits", "test")


def built(name, **options):
    model = genzoo.get(name, hidden_dim=16, latent_dim=3, seed=0, **options)
    model.build((None, 8, 8, 1))
    return model


def test_a_layer_is_read_by_its_name():
    model = built("vae")
    means = model.features(DIGITS.images, "mean")
    assert (means.dtype, means.shape) == (np.float32, (359, 3))
    np.testing.assert_allclose(means, model.encode(DIGITS.images), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(means[:50], model.features(DIGITS.images[:50], "mean"))
    spread = model.features(DIGITS.images, "log_variance")  # another layer is another program
    assert not np.allclose(means, spread)


def test_bigans_features_are_the_layer_before_the_code():
    model = built("bigan")
    found = model.features(DIGITS.images, batch_size=100)
    assert found.shape == (359, 16)
    kernel = keras.ops.convert_to_numpy(model.encoder.layers[-1].kernel)
    np.testing.assert_allclose(found @ kernel, model.encode(DIGITS.images), rtol=1e-4, atol=1e-6)


def test_scores_of_representations_read_the_layer_that_is_asked_for():
    model, train = built("bigan"), genzoo.data.load("digits", shuffle=False)
    arguments = {"knn": {"layer": "features", "k": 3}, "linear-probe": {"layer": "features"}}
    options = {"metrics": ["knn", "linear-probe"], "train": train}
    found, codes = (genzoo.evaluate(model, DIGITS, arguments=given, **options) for given in (arguments, {}))
    read = model.features(train.images), train.labels, model.features(DIGITS.images), DIGITS.labels
    assert found["knn"]["value"] == metrics.knn_accuracy(*read, k=3)
    assert found["linear-probe"]["value"] == metrics.linear_probe(*read)
    assert {found[name]["protocol"]["layer"] for name in found} == {"features"}
    assert all("layer" not in codes[name]["protocol"] for name in codes)
    assert found["linear-probe"]["value"] != codes["linear-probe"]["value"]


def test_what_has_no_such_layer_says_which_there_are():
    with pytest.raises(ValueError, match=r"Unknown layer of VAE. Received: 'maen'. Did you mean 'mean'"):
        built("vae").features(DIGITS.images, "maen")
    with pytest.raises(
        NotImplementedError, match=r"VAE names no features of its own. Name a layer: .*log_variance, mean"
    ):
        built("vae").features(DIGITS.images)
    with pytest.raises(ValueError, match="does not know its image shape"):
        genzoo.get("vae").features(DIGITS.images)
    with pytest.raises(ValueError, match="built for images of shape"):
        built("vae").features(DIGITS.images[:, :4])
