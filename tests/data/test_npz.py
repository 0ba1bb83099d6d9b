"""An .npz file gives the images that are in it and never runs code."""

import numpy as np
import pytest
from pictures import pixels

from genzoo import data

pytestmark = pytest.mark.once


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
