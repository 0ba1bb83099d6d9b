"""A folder gives every image that is in it, or an error that says what to do."""

import re

import numpy as np
import pytest
from pictures import pixels, write_png
from PIL import Image

from genzoo import data

pytestmark = pytest.mark.once


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [("",), ("cat", "dog"), ("cat", "dog/young")])
def test_folder_gives_every_pixel_and_its_class(tmp_path, channels, classes):
    images = pixels(6, 5, 7, channels)
    for i, image in enumerate(images):
        write_png(tmp_path / classes[i % len(classes)] / f"{i}.png", image)
    found = data.load(str(tmp_path), shuffle=False)
    order = sorted(range(6), key=lambda i: (i % len(classes), i))
    np.testing.assert_array_equal(found.images, images[order])
    if len(classes) == 1:
        assert found.labels is None
    else:
        assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_folder_with_parts_keeps_them_apart_and_numbers_classes_alike(tmp_path):
    images = dict(zip(("train/a", "train/b", "train/c", "test/c"), pixels(4, 6, 6, 1), strict=True))
    for name, image in images.items():
        write_png(tmp_path / name / "1.png", image)
    train, test = (data.load(str(tmp_path), split, shuffle=False) for split in ("train", "test"))
    np.testing.assert_array_equal(train.images, [images["train/a"], images["train/b"], images["train/c"]])
    np.testing.assert_array_equal(test.images, [images["test/c"]])
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 1, 2], [2])


@pytest.mark.parametrize("split", ["test", "train[:2]"])
def test_folder_without_that_part_is_refused(tmp_path, split):
    write_png(tmp_path / "1.png", pixels(4, 4, 1))
    with pytest.raises(ValueError, match=rf"has no subfolder {re.escape(repr(split))}, so it is all 'train'"):
        data.load(str(tmp_path), split)


@pytest.mark.parametrize("other", [(6, 4, 1), (4, 4, 3)])
def test_folder_of_mixed_images_names_the_two_that_differ(tmp_path, other):
    write_png(tmp_path / "a.png", pixels(4, 4, 1))
    write_png(tmp_path / "b.png", pixels(*other))
    with pytest.raises(ValueError, match=r"a.png is \(4, 4, 1\), .*b.png is .*image_size="):
        data.load(str(tmp_path))


def test_image_size_makes_one_size_of_many_and_crops_the_middle(tmp_path):
    wide = np.zeros((4, 12, 1), "uint8")
    wide[:, 4:8] = 200  # the square in the middle
    write_png(tmp_path / "a.png", wide)
    write_png(tmp_path / "b.png", np.full((9, 9, 1), 70, "uint8"))
    found = data.load(str(tmp_path), image_size=4, shuffle=False)
    np.testing.assert_array_equal(found.images[..., 0], [np.full((4, 4), 200), np.full((4, 4), 70)])


@pytest.mark.parametrize("content", [b"", b"no picture", "half of one"])
def test_unreadable_image_is_named(tmp_path, content):
    write_png(tmp_path / "whole.png", pixels(32, 32, 1))
    if content == "half of one":
        content = (tmp_path / "whole.png").read_bytes()[:600]
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"broken.png is not a readable image .* Remove or repair it"):
        data.load(str(tmp_path))


def test_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(ValueError, match=r"holds no image. Expected files that end in .*\.png"):
        data.load(str(tmp_path))


def test_sixteen_bits_are_scaled_and_alpha_is_dropped(tmp_path):
    Image.fromarray(np.array([[0, 256, 32768, 65535]], "uint16")).save(tmp_path / "a.png")
    Image.fromarray(np.array([[[9, 0], [8, 255], [7, 1], [6, 2]]], "uint8"), "LA").save(tmp_path / "b.png")
    found = data.load(str(tmp_path), shuffle=False)
    assert found.images[:, 0, :, 0].tolist() == [[0, 1, 128, 255], [9, 8, 7, 6]]
