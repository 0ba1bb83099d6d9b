"""Pairs of images are found in every layout, or an error says what to do."""

import numpy as np
import pytest
from pictures import pixels, write_png
from PIL import Image

from genzoo import data

pytestmark = pytest.mark.once


def write_pairs(folder, names, count=5, shape=(4, 6, 3)):
    """Pairs of random images under two names each, such as ``"A/{}.png"``; returns both sides."""
    sides = pixels(2, count, *shape)
    for name, images in zip(names, sides, strict=True):
        for i, image in enumerate(images):
            write_png(folder / name.format(i), image)
    return sides


@pytest.mark.parametrize(
    ("inputs", "targets", "options"),
    [
        ("A/{}.png", "B/{}.png", {}),
        ("input/deep/{}.png", "target/deep/{}.bmp", {}),
        ("left/{}.png", "right/{}.png", {}),
        ("allA/{}.png", "allB/{}.png", {}),
        ("all/A/{}.png", "all/B/{}.png", {}),
        ("{}_a.png", "{}_b.png", {}),
        ("im_{}-label.png", "im_{}-photo.bmp", {}),
        ("{}_z.png", "{}_a.png", {"inputs": "*_z.png", "targets": "*_a.png"}),
        ("z/{}.png", "a/{}.png", {"inputs": "z", "targets": "a"}),
        ("of/z-{}-1.png", "of/a-{}-2.bmp", {"inputs": "of/z-*-1.*", "targets": "of/a-*-2.*"}),
    ],
)
def test_pairs_are_found_in_every_layout(tmp_path, inputs, targets, options):
    x, y = write_pairs(tmp_path, (inputs, targets))
    pairs = data.load_pairs(tmp_path, "all", **options)
    np.testing.assert_array_equal(pairs.images, x)
    np.testing.assert_array_equal(pairs.labels, y)
    assert (pairs.images.dtype, len(pairs), pairs.shuffle) == (np.uint8, 5, False)


@pytest.mark.parametrize("options", [{}, {"inputs": "right", "targets": "left"}])
def test_pairs_side_by_side_are_halved(tmp_path, options):
    whole = pixels(3, 4, 8, 3)
    for i, image in enumerate(whole):
        write_png(tmp_path / f"{i}.png", image)
    pairs = data.load_pairs(tmp_path, "all", **options)
    left, right = whole[:, :, :4], whole[:, :, 4:]
    np.testing.assert_array_equal(pairs.images, right if options else left)
    np.testing.assert_array_equal(pairs.labels, left if options else right)


def test_pairs_without_parts_are_divided_by_name(tmp_path):
    x, _ = write_pairs(tmp_path, ("A/{}.png", "B/{}.png"), count=6)
    train, test = data.load_pairs(tmp_path), data.load_pairs(tmp_path, "test")
    np.testing.assert_array_equal(train.images, x[:4])
    np.testing.assert_array_equal(test.images, x[4:])
    assert (train.shuffle, test.shuffle) == (True, False)
    with pytest.raises(ValueError, match=r"no part 'val'. Expected: 'train', 'test' or 'all'"):
        data.load_pairs(tmp_path, "val")


def test_pairs_with_parts_are_kept_apart(tmp_path):
    parts = {
        part: write_pairs(tmp_path, (f"{part}A/{{}}.png", f"{part}B/{{}}.png"), count)
        for part, count in [("train", 4), ("test", 2)]
    }
    for part, (x, y) in parts.items():
        pairs = data.load_pairs(tmp_path, part, shuffle=False)
        np.testing.assert_array_equal(pairs.images, x)
        np.testing.assert_array_equal(pairs.labels, y)
    with pytest.raises(ValueError, match=r"has the parts train, test. Received: split='val'"):
        data.load_pairs(tmp_path, "val")


def test_a_palette_becomes_colours_and_grey_has_three_channels_beside_them(tmp_path):
    palette = Image.fromarray(np.array([[0, 1], [2, 1]], "uint8"), "P")
    palette.putpalette([255, 0, 0, 0, 170, 255, 9, 8, 7])
    palette.save(tmp_path / "1_label.png")
    write_png(tmp_path / "1_photo.png", np.array([[[1], [2]], [[3], [255]]], "uint8"))
    pairs = data.load_pairs(tmp_path, "all")
    assert pairs.images[0].tolist() == [[[255, 0, 0], [0, 170, 255]], [[9, 8, 7], [0, 170, 255]]]
    assert pairs.labels[0].tolist() == [[[1] * 3, [2] * 3], [[3] * 3, [255] * 3]]


def test_masks_of_0_and_1_mean_black_and_white_and_grey_pairs_stay_grey(tmp_path):
    write_png(tmp_path / "A" / "1.png", np.array([[[0], [1]]], "uint8"))
    write_png(tmp_path / "B" / "1.png", np.array([[[0], [200]]], "uint8"))
    pairs = data.load_pairs(tmp_path, "all")
    assert (pairs.images.dtype, pairs.images.shape, pairs.labels.dtype) == (bool, (1, 1, 2, 1), np.uint8)


def test_image_size_resizes_both_of_a_pair_alike(tmp_path):
    write_png(tmp_path / "A" / "1.png", pixels(8, 16, 1))
    write_png(tmp_path / "B" / "1.png", pixels(4, 8, 1))  # of half the resolution
    with pytest.raises(ValueError, match=r"Received for '1': 16x8 and 8x4. Pass image_size= to resize them"):
        data.load_pairs(tmp_path, "all")
    pairs = data.load_pairs(tmp_path, "all", image_size=4)
    assert pairs.images.shape == pairs.labels.shape == (1, 4, 4, 1)
    np.testing.assert_array_equal(pairs.labels[0], pixels(4, 8, 1)[:, 2:6])  # the middle
    write_png(tmp_path / "B" / "1.png", pixels(8, 8, 1))
    with pytest.raises(ValueError, match=r"Received for '1': 16x8 and 8x8. Crop one of them"):
        data.load_pairs(tmp_path, "all", image_size=4)


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        (["A/1", "A/2", "B/1"], {}, r"needs a partner of the same name. Received: '2' in 'A' and not in 'B'"),
        (["1_a", "2_b", "3_a", "3_b"], {}, r"Received: '1' in '\*_a.\*' and not in '\*_b.\*' .*, and 1 more without a"),
        (["1", "2"], {}, r"does not show which .* are inputs .* Name them: inputs="),
        (["im_1", "im_2"], {}, r"does not show which .* are inputs"),  # numbers name no side
        (["1_a", "1_b", "1_c"], {}, r"does not show which .* are inputs"),
        (["A/1", "B/1", "C/1"], {}, r"does not show which .* are inputs"),
        ([], {}, "holds no image"),
        (
            ["1_a"],
            {"inputs": "*_x.png", "targets": "*_y.png"},
            r"holds no pair.* inputs='\*_x.png', targets='\*_y.png'",
        ),
        (["1_a", "1_b"], {"inputs": "*_a.png"}, "Name both `inputs` and `targets`"),
        (["1_a", "1_b"], {"inputs": "*_a.png", "targets": "*_a.png"}, "and differently"),
        (["A/1", "A/1.bmp", "B/1"], {}, r"A/1.bmp and .*A/1.png have the same name, '1'. Remove one"),
        (["1"], {"inputs": "left", "targets": "right"}, r"1.png cannot be halved. .* even width. Received: 5 pixels"),
    ],
)
def test_what_is_no_folder_of_pairs_is_refused(tmp_path, files, options, message):
    for name in files:
        write_png(tmp_path / (name if name.endswith(".bmp") else f"{name}.png"), pixels(5, 5, 1))
    with pytest.raises(ValueError, match=message):
        data.load_pairs(tmp_path, "all", **options)


def test_pairs_of_different_sizes_name_the_two_that_differ(tmp_path):
    write_pairs(tmp_path, ("{}_a.png", "{}_b.png"), count=1)
    for end in "ab":
        write_png(tmp_path / f"9_{end}.png", pixels(6, 6, 3))
    with pytest.raises(ValueError, match=r"'0' is \(4, 6\), '9' is \(6, 6\). Pass image_size="):
        data.load_pairs(tmp_path, "all")
    assert data.load_pairs(tmp_path, "all", image_size=(4, 4)).images.shape == (2, 4, 4, 3)


def test_a_single_pair_is_not_divided_and_a_missing_folder_named(tmp_path):
    write_pairs(tmp_path, ("{}_a.png", "{}_b.png"), count=1)
    with pytest.raises(ValueError, match=r"a single pair, which cannot be divided. Pass split='all'"):
        data.load_pairs(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"Expected a folder of pairs of images. There is no folder digits"):
        data.load_pairs("digits")
