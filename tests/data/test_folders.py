"""A folder gives every image that is in it, or an error that says what to do."""

import re
import struct
import zlib

import numpy as np
import pytest
from pictures import pixels, write_png

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
        assert found.labels is found.class_names is None
    else:
        assert found.class_names == classes
        assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_folder_with_parts_keeps_them_apart_and_numbers_classes_alike(tmp_path):
    images = dict(zip(("train/a", "train/b", "train/c", "test/c"), pixels(4, 6, 6, 1), strict=True))
    for name, image in images.items():
        write_png(tmp_path / name / "1.png", image)
    train, test = (data.load(str(tmp_path), split, shuffle=False) for split in ("train", "test"))
    np.testing.assert_array_equal(train.images, [images["train/a"], images["train/b"], images["train/c"]])
    np.testing.assert_array_equal(test.images, [images["test/c"]])
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 1, 2], [2])
    assert train.class_names == test.class_names == ("a", "b", "c")


@pytest.mark.parametrize("split", ["test", "train[:2]"])
def test_folder_without_that_part_is_refused(tmp_path, split):
    write_png(tmp_path / "1.png", pixels(4, 4, 1))
    with pytest.raises(ValueError, match=rf"has no subfolder {re.escape(repr(split))}, so it is all 'train'"):
        data.load(str(tmp_path), split)


def test_folder_of_mixed_sizes_names_the_two_that_differ(tmp_path):
    write_png(tmp_path / "a.png", pixels(4, 4, 1))
    write_png(tmp_path / "b.png", pixels(6, 4, 1))
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
    message = r"holds no image. Expected files that end in .*\.png.* Received: 1 of other kinds, such as .*notes.txt"
    with pytest.raises(ValueError, match=message):
        data.load(str(tmp_path))


def test_hidden_folders_are_no_classes_and_links_to_folders_are(tmp_path):
    for name in ("cat", "cat/.ipynb_checkpoints", ".ipynb_checkpoints", "@eaDir", "__MACOSX/cat"):
        write_png(tmp_path / "all" / name / "1.png", pixels(4, 4, 1))
    write_png(tmp_path / "elsewhere" / "1.png", pixels(4, 4, 1))
    (tmp_path / "all" / "dog").symlink_to(tmp_path / "elsewhere")
    found = data.load(tmp_path / "all", shuffle=False)
    assert (found.class_names, found.labels.tolist()) == (("cat", "dog"), [0, 1])


@pytest.mark.parametrize("bits", [16, 12])
def test_colour_of_sixteen_bits_is_not_black(tmp_path, bits):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    values = np.linspace(0, 2**bits - 1, 48).astype(">u2").reshape(4, 4, 3)  # Pillow writes no such PNG
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    header, content = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0), zlib.compress(rows)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png)
    if bits == 12:
        with pytest.raises(ValueError, match=r"16 bits a colour, such as .*a.png, would be nearly black: .* 5.9%"):
            data.load(tmp_path)
    else:
        np.testing.assert_array_equal(data.load(tmp_path).images[0], values >> 8)


@pytest.mark.parametrize("background", ["no colour", (1, 2), 256, -1, 2.5, None, (0, 0, 300)])
def test_a_background_that_is_no_colour_is_refused(tmp_path, background):
    write_png(tmp_path / "a.png", pixels(4, 4, 1))
    with pytest.raises(ValueError, match="`background` must be a colour"):
        data.load(tmp_path, background=background)
    with pytest.raises(ValueError, match="`white` must be a number above 0"):
        data.load(tmp_path, white=0)
