"""Sharpness, nearest neighbours and label histograms, against SciPy and loops."""

import keras
import numpy as np
import pytest
from scipy import ndimage, spatial, stats

from genzoo.metrics import label_histogram, nearest_neighbours, sharpness

pytestmark = pytest.mark.once


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (30, 9, 7, 1), dtype="uint8")


def variance_of_laplacian(image):
    return ndimage.laplace(image)[1:-1, 1:-1].var()


def test_sharpness_is_the_variance_of_scipys_laplacian(noise):
    expected = [variance_of_laplacian(image[..., 0] / 255) for image in noise]
    for images in (noise, noise / 255, (noise / 255).astype("float32")):
        found = sharpness(images, batch_size=7)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert (found.shape, found.dtype) == ((30,), np.float64)


def test_sharpness_of_images_in_colour_is_that_of_their_luminance(noise):
    colour = np.random.default_rng(1).random((5, 6, 8, 3))
    grey = colour @ [0.299, 0.587, 0.114]
    expected = [variance_of_laplacian(image) for image in grey]
    np.testing.assert_allclose(sharpness(colour), expected)
    np.testing.assert_allclose(sharpness(noise.repeat(3, axis=-1)), sharpness(noise))
    keras.config.set_image_data_format("channels_first")
    try:
        np.testing.assert_allclose(sharpness(np.moveaxis(colour, -1, 1)), expected)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_sharpness_falls_with_every_blur_and_not_with_brightness():
    images = ndimage.gaussian_filter(np.random.default_rng(0).random((20, 16, 16, 1)), (0, 1, 1, 0))
    blurred = [sharpness(ndimage.gaussian_filter(images, (0, s, s, 0))) for s in (0, 0.5, 1, 2, 4)]
    assert (np.diff(blurred, axis=0) < 0).all()
    np.testing.assert_allclose(sharpness(0.5 * images + 0.3), 0.25 * sharpness(images))
    ramp = np.broadcast_to(np.linspace(0, 1, 9)[:, None, None], (2, 9, 9, 1))
    np.testing.assert_allclose(sharpness(np.concatenate([ramp, np.full((2, 9, 9, 1), 0.4)])), 0, atol=1e-25)


@pytest.mark.parametrize("wrong", [np.zeros((2, 2, 5, 1)), np.zeros((2, 5, 5, 2)), np.zeros((2, 5, 5, 4), "uint8")])
def test_sharpness_needs_neighbours_and_known_channels(wrong):
    with pytest.raises(ValueError, match=r"at least 3x3 in 1 or 3 channels. Received: shape|1 channel \(grey\) or 3"):
        sharpness(wrong)
    with pytest.raises(ValueError, match=r"The data set is empty"):
        sharpness(wrong[:0])
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1"):
        sharpness(np.zeros((2, 5, 5, 1)), batch_size=0)


@pytest.mark.parametrize("k", [1, 4])
def test_nearest_neighbours_equal_a_loop(noise, k):
    fake, train = noise[:10], noise[10:]
    for a, b in ((fake, train), (fake / 255, train / 255), (fake.reshape(10, -1) / 255, train.reshape(20, -1) / 255)):
        distances, indices = nearest_neighbours(a, b, k=k)
        assert distances.shape == indices.shape == (10, k)
        for image, found, where in zip(a.astype("float64"), distances, indices, strict=True):
            expected = np.array([np.sqrt(np.sum((image - other) ** 2)) for other in b])
            np.testing.assert_array_equal(where, np.argsort(expected)[:k])
            np.testing.assert_allclose(found, np.sort(expected)[:k], rtol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e7])
def test_neighbours_are_found_in_features_far_from_0(offset):
    train = np.random.default_rng(0).standard_normal((200, 8))
    fake = np.concatenate([train[:20], np.random.default_rng(1).standard_normal((20, 8))])
    distances, indices = nearest_neighbours(fake + offset, train + offset, k=2)
    expected = spatial.distance.cdist(fake, train)
    np.testing.assert_array_equal(indices, np.argsort(expected, axis=1)[:, :2])
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :2], atol=1e-6)


def test_neighbours_of_binary_images_differ_in_pixels():
    train, fake = np.random.default_rng(0).random((2, 30, 6, 6, 1)) > 0.5
    different = (fake[:, None] != train).sum(axis=(2, 3, 4))
    np.testing.assert_allclose(nearest_neighbours(fake, train)[0][:, 0] ** 2, different.min(axis=1), atol=1e-6)


def test_what_was_memorised_is_found(noise):
    train = noise[5:]
    for scale in (1, 255):
        distances, indices = nearest_neighbours(train[[7, 3, 3]] / scale, train / scale)
        np.testing.assert_array_equal(indices[:, 0], [7, 3, 3])
        np.testing.assert_allclose(distances, 0, atol=1e-5)
    same = np.ones((3, 4, 4, 1))
    np.testing.assert_array_equal(nearest_neighbours(same, same, k=3)[0], 0)


def test_neighbours_that_cannot_be_found(noise):
    with pytest.raises(ValueError, match=r"both as uint8 or both as float. Received: uint8 and float64"):
        nearest_neighbours(noise, noise / 255)
    for fake, k in ((noise[:, :5], 1), (noise, 31), (noise[:0], 1)):
        with pytest.raises(ValueError, match=rf"arrays of one size, and at least k={k} to choose from. Received: sha"):
            nearest_neighbours(fake, noise, k=k)
    with pytest.raises(ValueError, match="`k` must be an integer of at least 1"):
        nearest_neighbours(noise, noise, k=0)


def test_labels_are_counted():
    p = np.random.default_rng(0).dirichlet(np.ones(6), 200)
    counts = [sum(row.argmax() == c for row in p) for c in range(6)]
    found = label_histogram(p)
    np.testing.assert_allclose(found.histogram, np.divide(counts, 200))
    assert found.entropy == pytest.approx(stats.entropy(counts))
    assert label_histogram(np.eye(8).repeat(3, axis=0)).entropy == pytest.approx(np.log(8))
    collapsed = label_histogram(np.eye(8)[[2, 2, 2]])
    assert (collapsed.histogram.tolist(), collapsed.entropy) == ([0, 0, 1, 0, 0, 0, 0, 0], 0)
    with pytest.raises(ValueError, match=r"Expected probabilities \(n, classes\).*Received: shape \(3, 5\)"):
        label_histogram(np.ones((3, 5)))
