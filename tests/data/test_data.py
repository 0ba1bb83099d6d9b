"""Every source gives the images that are in it, or an error that says what to do; batches keep seeds and alignment."""

import gzip
import os
import re

import numpy as np
import pytest
from PIL import Image
from places import ROOT
from processes import run_python

from genzoo import data
from genzoo.data import named
from genzoo.data.batches import ImageBatches

SHARED = ROOT.parent / "shared" / "data"
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]  # of MNIST, published


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype="uint8")


def write_png(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(path)


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


def test_only_training_data_is_shuffled_unless_told():
    assert data.load("digits").shuffle
    assert not data.load("digits", "test").shuffle
    assert data.load("digits", "test", shuffle=True).shuffle


def test_image_size_resizes_and_batch_size_is_taken():
    batches = data.load("digits", image_size=(12, 16), batch_size=50)
    assert batches[0][0].shape == (50, 12, 16, 1)


# Names.


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashion_mnsit", "Unknown data set. Received: 'fashion_mnsit'. Did you mean 'fashion_mnist'"),
        ("no_such_folder/train", "There is no such file or folder either"),
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


# Folders.


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


# Folders of pairs.


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


# npz files.


@pytest.mark.parametrize(
    ("names", "split"),
    [(("image", "label"), "train"), (("images", "labels"), "train"), (("x", "y"), "train"),
     (("x_train", "y_train"), "train"), (("x_test", "y_test"), "test")],
)  # fmt: skip
def test_npz_is_read_under_the_usual_names(tmp_path, names, split):
    images, labels = pixels(5, 6, 6, 3), np.arange(5)[:, None]  # labels as keras.datasets.cifar10 has them
    np.savez(tmp_path / "a.npz", **dict(zip(names, (images, labels), strict=True)))
    found = data.load(str(tmp_path / "a.npz"), split)
    np.testing.assert_array_equal(found.images, images)
    assert found.labels.tolist() == [0, 1, 2, 3, 4]


def test_npz_without_labels_and_channels_is_fine(tmp_path):
    images = pixels(5, 6, 6)
    np.savez_compressed(tmp_path / "a.npz", image=images)
    found = data.load(str(tmp_path / "a.npz"))
    np.testing.assert_array_equal(found.images, images[..., None])
    assert found.labels is None


@pytest.mark.parametrize("split", ["test", "train[:2]"])
def test_npz_without_that_split_says_what_it_has(tmp_path, split):
    np.savez(tmp_path / "a.npz", image=pixels(5, 6, 6), mask=np.zeros(3))
    with pytest.raises(ValueError, match=r"holds no images for split .* Received: \['image', 'mask'\]"):
        data.load(str(tmp_path / "a.npz"), split)


class Detonator:
    """An object that reports being unpickled."""

    went_off = False

    def __reduce__(self):
        return (setattr, (Detonator, "went_off", True))


@pytest.mark.parametrize("guilty", ["image", "label"])
def test_npz_never_unpickles(tmp_path, guilty):
    arrays = {"image": pixels(1, 4, 4), "label": np.zeros(1), guilty: np.array([Detonator()], dtype=object)}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        data.load(str(tmp_path / "a.npz"))
    assert not Detonator.went_off
    with np.load(tmp_path / "a.npz", allow_pickle=True) as archive:  # the trap is live
        archive[guilty]
    assert Detonator.went_off
    Detonator.went_off = False


@pytest.mark.parametrize("damage", ["truncated", "flipped", "text", "npy", "empty"])
def test_damaged_npz_is_named(tmp_path, damage):
    path = tmp_path / "a.npz"
    np.savez(path, image=pixels(10, 8, 8))
    whole = path.read_bytes()
    if damage == "npy":
        np.save(tmp_path / "a.npy", pixels(10, 8, 8))
        whole = (tmp_path / "a.npy").read_bytes()
    broken = {
        "truncated": whole[: len(whole) // 2],
        "flipped": whole[:400] + bytes([whole[400] ^ 255]) + whole[401:],
        "text": b"not an archive",
        "npy": whole,
        "empty": b"",
    }
    path.write_bytes(broken[damage])
    with pytest.raises(ValueError, match=r"a.npz is (damaged|not a whole .npz file)"):
        data.load(str(path))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 64), "uint8"), "Reshape flat images"),
        (np.full((4, 8, 8), 255.0), "Divide by 255"),
        (np.full((4, 8, 8), -1, "int64"), "dtype int64"),
        (np.full((4, 8, 8), np.nan), "must be finite"),
        (np.zeros((0, 8, 8, 1), "uint8"), "The data set is empty"),
    ],
)
@pytest.mark.parametrize("image_size", [None, 4])
def test_npz_of_what_would_train_to_nonsense_is_refused(tmp_path, images, message, image_size):
    np.savez(tmp_path / "a.npz", image=images)
    with pytest.raises(ValueError, match=message):
        data.load(str(tmp_path / "a.npz"), image_size=image_size)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "bool"])
def test_resizing_keeps_the_range_of_every_dtype(tmp_path, dtype, channels):
    images = pixels(4, 9, 9, channels) / 255
    images = (images > 0.5) if dtype == "bool" else (images * (255 if dtype == "uint8" else 1)).astype(dtype)
    np.savez(tmp_path / "a.npz", image=images)
    found = data.load(str(tmp_path / "a.npz"), image_size=6).images
    assert found.shape == (4, 6, 6, channels)
    high = 255 if dtype == "uint8" else 1
    assert 0 <= found.min() < 0.4 * high
    assert 0.6 * high < found.max() <= high
    np.testing.assert_allclose(found.mean() / high, images.mean() / images.max(), atol=0.1)


def test_integers_that_are_all_0_or_1_mean_black_and_white(tmp_path):
    images = pixels(4, 6, 6) % 2
    np.savez(tmp_path / "a.npz", image=images)
    found = data.load(str(tmp_path / "a.npz")).images
    assert found.dtype == bool
    np.testing.assert_array_equal(found[..., 0], images)


# TensorFlow Datasets and keras.datasets.


def idx(path):
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, ">i4", content[3], 4)
    return np.frombuffer(content, "uint8", offset=4 + 4 * content[3]).reshape(shape)


@pytest.fixture(scope="module")
def mnist(mnist_dir):
    return data.load("mnist", data_dir=mnist_dir, shuffle=False)


def test_mnist_is_whole(mnist):
    assert mnist.images.shape == (60000, 28, 28, 1)
    assert mnist.images.dtype == np.uint8
    assert mnist.labels.dtype == np.int64
    assert np.bincount(mnist.labels).tolist() == TRAIN_COUNTS


def test_mnist_is_the_original(mnist):
    if not (SHARED / "mnist").is_dir():
        pytest.skip(f"needs the original files of MNIST in {SHARED / 'mnist'}")
    images = idx(next((SHARED / "mnist").glob("train-images*")))
    labels = idx(next((SHARED / "mnist").glob("train-labels*")))
    # TFDS shuffles when it writes: the same images with the same labels, in another order.
    assert sorted(_fingerprints(mnist.images, mnist.labels)) == sorted(_fingerprints(images, labels))


def _fingerprints(images, labels):
    sums = images.reshape(len(images), -1).astype("int64") @ np.random.default_rng(0).integers(1, 2**40, 784)
    return zip(sums.tolist(), labels.tolist(), strict=True)


def test_tfds_slices_are_taken(mnist, mnist_dir):
    part = data.load("mnist", "train[100:150]", data_dir=mnist_dir, shuffle=False)
    np.testing.assert_array_equal(part.images, mnist.images[100:150])
    np.testing.assert_array_equal(part.labels, mnist.labels[100:150])


def test_unknown_split_of_tfds_says_which_there_are(mnist_dir):
    with pytest.raises(ValueError, match=r"Unknown split 'validation'. Should be one of \['train', 'test'\]"):
        data.load("mnist", "validation", data_dir=mnist_dir)


def test_what_does_not_fit_in_memory_streams_the_same_images(mnist, mnist_dir, monkeypatch):
    monkeypatch.setattr(named, "IN_MEMORY_BYTES", 1000)
    stream = data.load("mnist", "train[:50]", data_dir=mnist_dir, batch_size=20, shuffle=False)
    batches = list(stream.as_numpy_iterator())
    assert [len(b["image"]) for b in batches] == [20, 20, 10]
    np.testing.assert_array_equal(np.concatenate([b["image"] for b in batches]), mnist.images[:50])
    np.testing.assert_array_equal(np.concatenate([b["label"] for b in batches]), mnist.labels[:50])


def test_stream_is_shuffled_by_seed(mnist_dir, monkeypatch):
    monkeypatch.setattr(named, "IN_MEMORY_BYTES", 1000)
    first, again, other = (
        np.concatenate([b["label"] for b in data.load("mnist", "train[:200]", data_dir=mnist_dir, seed=seed)])
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


ARRAY_RECORD = "GENZOO_TEST_ARRAY_RECORD"


@pytest.fixture
def array_record_dir():
    folder = os.environ.get(ARRAY_RECORD)
    if not folder:
        pytest.skip(f"needs a TFDS store of MNIST in array_record format: set {ARRAY_RECORD} to its folder")
    return folder


def test_array_record_store_is_read_without_tensorflow(array_record_dir, tmp_path):
    code = f"""
import genzoo, numpy as np, keras
found = genzoo.data.load("mnist", "train[:300]", data_dir={array_record_dir!r}, shuffle=False)
assert keras.backend.backend() == "jax" and "tensorflow" not in sys.modules
np.savez({str(tmp_path / "a.npz")!r}, image=found.images, label=found.labels)
"""
    pytest.importorskip("jax", reason="needs jax beside TensorFlow")
    run_python(code, hidden=["tensorflow"], KERAS_BACKEND="jax")
    with np.load(tmp_path / "a.npz") as found:
        assert found["image"].shape == (300, 28, 28, 1)
        assert found["image"].dtype == np.uint8
        assert (found["image"].min(), found["image"].max()) == (0, 255)
        assert len(np.bincount(found["label"])) == 10


@pytest.mark.parametrize("image_size", [None, (14, 20)])
def test_both_formats_of_a_store_give_the_same_images(mnist_dir, array_record_dir, image_size):
    one, other = (
        data.load("mnist", "test[:50]", data_dir=folder, image_size=image_size, shuffle=False)
        for folder in (mnist_dir, array_record_dir)
    )
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.labels, other.labels)


def test_without_tensorflow_and_store_keras_datasets_step_in(tmp_path):
    if not (SHARED / "fashion_mnist").is_dir():
        pytest.skip(f"needs the original files of Fashion-MNIST in {SHARED / 'fashion_mnist'}")
    pytest.importorskip("jax", reason="needs jax beside TensorFlow")
    (tmp_path / "datasets" / "fashion-mnist").mkdir(parents=True)
    for file in (SHARED / "fashion_mnist").glob("*.gz"):
        (tmp_path / "datasets" / "fashion-mnist" / file.name).symlink_to(file)
    code = f"""
import genzoo, numpy as np
found = genzoo.data.load("fashion_mnist", "test", data_dir={str(tmp_path / "none")!r})
np.savez({str(tmp_path / "a.npz")!r}, image=found.images, label=found.labels)
try:
    genzoo.data.load("cifar100", data_dir={str(tmp_path / "none")!r})
except ModuleNotFoundError as error:
    print(error)
"""
    printed, _ = run_python(code, hidden=["tensorflow"], KERAS_BACKEND="jax", KERAS_HOME=tmp_path)
    assert "Without TensorFlow, TFDS reads only prepared stores in array_record format" in printed
    with np.load(tmp_path / "a.npz") as found:
        np.testing.assert_array_equal(
            found["image"][..., 0], idx(SHARED / "fashion_mnist" / "t10k-images-idx3-ubyte.gz")
        )
        np.testing.assert_array_equal(found["label"], idx(SHARED / "fashion_mnist" / "t10k-labels-idx1-ubyte.gz"))


# Batches in memory.


def numbered(n, **options):
    """Images that hold their own number, with the same number as label."""
    numbers = np.arange(n)
    return ImageBatches(np.broadcast_to(numbers[:, None, None, None], (n, 2, 2, 1)).astype("uint8"), numbers, **options)


def epoch_of(batches):
    """The labels of one epoch in order; checks on the way that they still belong to the images."""
    batches.on_epoch_begin()
    labels = []
    for i in range(len(batches)):
        images, label = batches[i]
        np.testing.assert_array_equal(images[:, 0, 0, 0], label)
        labels += label.tolist()
    return labels


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_has_every_image_once_with_its_label(shuffle):
    batches = numbered(50, batch_size=8, shuffle=shuffle)
    assert len(batches) == 7
    assert len(batches[6][0]) == 2
    first, second = epoch_of(batches), epoch_of(batches)
    assert sorted(first) == sorted(second) == list(range(50))
    assert (first == second) is not shuffle
    assert (first == list(range(50))) is not shuffle


def test_order_follows_from_seed_and_first_step_alone():
    order = epoch_of(numbered(50, batch_size=8, seed=3, first_step=14))
    assert epoch_of(numbered(50, batch_size=8, seed=3, first_step=14)) == order
    assert epoch_of(numbered(50, batch_size=8, seed=4, first_step=14)) != order
    assert epoch_of(numbered(50, batch_size=8, seed=3, first_step=21)) != order


def test_resumed_batches_go_on_as_if_nothing_had_happened():
    whole = numbered(50, batch_size=8, seed=5)
    epochs = [epoch_of(whole) for _ in range(4)]
    resumed = numbered(50, batch_size=8, seed=5).resumed(first_step=2 * 7)
    assert [epoch_of(resumed), epoch_of(resumed)] == epochs[2:]


def test_resumed_takes_another_batch_size_and_keeps_order_off():
    resumed = numbered(10, batch_size=4, shuffle=False).resumed(0, batch_size=5, shuffle=True)
    assert resumed.batch_size == 5
    assert epoch_of(resumed) == list(range(10))


def test_endless_indices_run_on_into_the_next_epochs():
    whole = numbered(50, batch_size=8, seed=5)
    epochs = [epoch_of(whole) for _ in range(3)]
    endless = numbered(50, batch_size=8, seed=5, endless=True)
    assert endless.num_batches is None
    assert np.concatenate([endless[i][1] for i in range(21)]).tolist() == [*epochs[0], *epochs[1], *epochs[2]]


def test_split_takes_the_last_part_unshuffled():
    train, validation = numbered(50, batch_size=8, seed=2).split(0.2)
    assert sorted(epoch_of(train)) == list(range(40))
    assert epoch_of(validation) == list(range(40, 50))


def test_split_without_labels_stays_without():
    train, validation = ImageBatches(pixels(10, 4, 4, 1)).split(0.5)
    assert train.labels is None
    assert validation.labels is None
    assert len(train[0]) == 1


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_split_refuses_to_leave_a_side_empty(fraction):
    with pytest.raises(ValueError, match="must leave images on both sides"):
        numbered(10).split(fraction)


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, "8", True, None])
def test_bad_batch_size_is_refused(batch_size):
    with pytest.raises(ValueError, match=r"`batch_size` must be an integer of at least 1. Received: batch_size="):
        numbered(10, batch_size=batch_size)


def test_no_images_or_too_few_labels_are_refused():
    with pytest.raises(ValueError, match="The data set is empty"):
        ImageBatches(np.zeros((0, 4, 4, 1), "uint8"))
    with pytest.raises(ValueError, match=r"Expected one label per image. Received: 4 images"):
        ImageBatches(np.zeros((4, 4, 4, 1), "uint8"), np.arange(3))


def test_double_precision_images_arrive_single():
    assert ImageBatches(np.zeros((4, 2, 2, 1)))[0][0].dtype == np.float32


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
    with pytest.raises(ValueError, match=r"`binarise` takes grey images, uint8. Received: float32, binarise=0"):
        data.load(str(tmp_path / "float.npz"), binarise=0)
    with pytest.raises(ValueError, match=r"`binarise` must be an integer of at least 0. Received: binarise='often'"):
        data.load("digits", binarise="often")
