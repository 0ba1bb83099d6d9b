"""Names of data sets and what they load; what no source has is refused with what to do."""

import re

import numpy as np
import pytest
from pictures import pixels, write_png

from genzoo import data
from genzoo.data import named

pytestmark = pytest.mark.once

# Digits.


def test_digits_are_split_once_and_whole():
    train, test, everything = (data.load("digits", split, shuffle=False) for split in ("train", "test", "all"))
    assert (len(train.images), len(test.images)) == (1438, 359)
    np.testing.assert_array_equal(np.concatenate([train.images, test.images]), everything.images)
    np.testing.assert_array_equal(np.concatenate([train.labels, test.labels]), everything.labels)


def test_digits_are_uint8_over_the_whole_range_with_class_ids():
    digits = data.load("digits", "all")
    assert digits.images.shape == (1797, 8, 8, 1)
    assert digits.images.dtype == np.uint8
    assert (digits.images.min(), digits.images.max()) == (0, 255)
    assert digits.labels.dtype == np.int64
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert digits.class_names == tuple("0123456789")


def test_only_training_data_is_shuffled_unless_told():
    assert data.load("digits").shuffle
    assert not data.load("digits", "test").shuffle
    assert data.load("digits", "test", shuffle=True).shuffle


def test_image_size_resizes_and_batch_size_is_taken():
    batches = data.load("digits", image_size=(12, 16), batch_size=50)
    assert batches[0][0].shape == (50, 12, 16, 1)


def test_binarised_pixels_are_drawn_once_with_the_grey_value_as_probability():
    grey = data.load("digits").images
    drawn = [data.load("digits", binarise=seed).images for seed in (0, 0, 1)]
    assert drawn[0].dtype == bool
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
    for value in np.unique(grey):
        there = drawn[0][grey == value]
        p = value / 255
        assert abs(there.mean() - p) <= 5 * np.sqrt(p * (1 - p) / there.size)
    np.testing.assert_array_equal(data.load("digits", binarise="threshold").images, grey > 127)
    assert (data.load("digits", "test", binarise=0).images[:200] != drawn[0][:200]).any()


def test_what_cannot_be_binarised_is_refused(tmp_path):
    np.savez(tmp_path / "float.npz", image=np.full((3, 4, 4, 1), 0.5, "float32"))
    with pytest.raises(ValueError, match=r"takes grey images, uint8. Received: float32 with 1 channels, binarise=0"):
        data.load(str(tmp_path / "float.npz"), binarise=0)
    with pytest.raises(ValueError, match=r"`binarise` is 'threshold', 'dynamic' or a seed. Received: binarise='often'"):
        data.load("digits", binarise="often")


# Names.


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashion_mnsit", "Unknown data set. Received: 'fashion_mnsit'. Did you mean 'fashion_mnist'"),
        ("no_such_folder/train", "'no_such_folder/train'. There is no such file or folder either"),
        ("emnist/lettrs", "BuilderConfig lettrs not found"),
        ("mnist:9.9.9", "cannot be loaded at version 9.9.9"),
    ],
)
def test_unknown_name_says_what_is_near(name, message):
    pytest.importorskip("tensorflow_datasets", reason="needs tensorflow-datasets: pip install 'genzoo[data]'")
    with pytest.raises(ValueError, match=re.escape(message)):
        data.load(name)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "nowhere.png", "nowhere.npz", "~/nowhere.npz"])
def test_missing_path_is_not_taken_for_a_name(name):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        data.load(name)


def test_unknown_split_of_digits_says_which_there_are():
    with pytest.raises(ValueError, match=r"Received: 'tset'. Did you mean 'test'"):
        data.load("digits", "tset")


def test_a_file_that_is_no_npz_is_refused(tmp_path):
    write_png(tmp_path / "one.png", pixels(4, 4, 1))
    with pytest.raises(ValueError, match=r"Expected a folder of images or an .npz file. Received: the file .*one.png"):
        data.load(str(tmp_path / "one.png"))


def test_sources_start_with_the_one_that_needs_no_network():
    assert data.sources()[0] == "digits"
    assert set(named.KERAS_DATASETS) < set(data.sources())
