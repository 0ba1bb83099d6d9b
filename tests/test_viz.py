"""Pictures show every pixel where it belongs, and files appear whole or not at all."""

import numpy as np
import pytest
from PIL import Image

from genzoo import viz

pytestmark = pytest.mark.once


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 255, shape, dtype="uint8")  # never white


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("n", "columns", "rows"), [(1, 1, 1), (5, 3, 2), (6, 3, 2), (4, 4, 1), (3, 1, 3)])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_grid_holds_every_pixel_and_white_elsewhere(channels, n, columns, rows, padding):
    images = pixels(n, 4, 5, channels)
    grid = viz.image_grid(images, columns, padding=padding, min_size=1)
    expected = np.full((rows * (4 + padding) + padding, columns * (5 + padding) + padding, channels), 255, "uint8")
    for i in range(n):
        for y in range(4):
            for x in range(5):
                row, column = padding + i // columns * (4 + padding) + y, padding + i % columns * (5 + padding) + x
                expected[row, column] = images[i, y, x]
    np.testing.assert_array_equal(grid, expected[..., 0] if channels == 1 else expected)
    assert grid.dtype == np.uint8


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (4, 2), (5, 3), (9, 3), (10, 4)])
def test_grid_is_as_square_as_possible_by_default(n, columns):
    images = pixels(n, 4, 4, 1)
    np.testing.assert_array_equal(viz.image_grid(images), viz.image_grid(images, columns))


def test_more_columns_than_images_leave_no_empty_ones():
    images = pixels(3, 4, 4, 1)
    np.testing.assert_array_equal(viz.image_grid(images, 10), viz.image_grid(images, 3))


@pytest.mark.parametrize(("size", "factor"), [(8, 6), (28, 2), (47, 2), (48, 1), (100, 1)])
def test_small_images_are_enlarged_by_a_whole_factor(size, factor):
    image = pixels(1, size, size, 1)
    grid = viz.image_grid(image, padding=0)
    np.testing.assert_array_equal(grid, np.kron(image[0, ..., 0], np.ones((factor, factor), "uint8")))


def test_floats_are_clipped_and_rounded():
    values = np.array([-0.5, 0.0, 0.499 / 255, 0.501 / 255, 0.5, 1.0, 2.0])
    grid = viz.image_grid(values.reshape(1, 1, 7, 1), padding=0, min_size=1)
    assert grid.tolist() == [[0, 0, 0, 1, 128, 255, 255]]


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_hold_what_became_of_each_image(channels):
    x, y, mask = pixels(3, 4, 4, channels), pixels(3, 4, 4, channels, seed=1), pixels(3, 4, 4, channels, seed=2) > 99
    grid = viz.rows(x, y / 255, mask, padding=0, min_size=1)
    rows = [np.concatenate([x[i], y[i], np.where(mask[i], np.uint8(255), np.uint8(0))], axis=1) for i in range(3)]
    expected = np.concatenate(rows)
    np.testing.assert_array_equal(grid, expected[..., 0] if channels == 1 else expected)


def test_rows_of_unlike_columns_are_refused():
    with pytest.raises(
        ValueError, match=r"Expected columns of images of one shape. Received: \[\(2, 4, 4, 1\), \(3, 4, "
    ):
        viz.rows(pixels(3, 4, 4, 1), pixels(2, 4, 4, 1))


@pytest.mark.parametrize("shape", [(4, 4, 1), (2, 4, 4, 2), (0, 4, 4, 1), (2, 4, 4)])
def test_what_is_no_batch_of_images_is_refused(shape):
    with pytest.raises(ValueError, match=r"Expected images \(n, height, width, 1 or 3\).*Received: shape"):
        viz.image_grid(np.zeros(shape))


@pytest.mark.parametrize("channels", [1, 3])
def test_saved_picture_is_the_array(tmp_path, channels):
    image = viz.image_grid(pixels(4, 8, 8, channels))
    path = viz.save_image(tmp_path / "not" / "yet" / "there" / "grid.png", image)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), image)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["grid", "grid.keras"])
def test_suffix_must_name_a_format(tmp_path, name):
    with pytest.raises(ValueError, match=r"The suffix decides the picture's format, such as grid.png"):
        viz.save_image(tmp_path / "new" / name, pixels(4, 4))
    assert not (tmp_path / "new").exists()


def test_failed_save_keeps_the_old_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "grid.xbm"  # a format for black and white only: fails once the file is open
    viz.save_image(path, pixels(4, 4) > 100)
    before = path.read_bytes()
    with pytest.raises(OSError, match="cannot write mode RGB as XBM"):
        viz.save_image(path, pixels(4, 4, 3))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_loss_curves_show_every_metric_with_validation_dashed():
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'genzoo[plot]'")
    history = {"generator_loss": [3.0, 2.0, 1.5], "kl_loss": [0.1, 0.2, 0.4], "val_kl_loss": [0.2, 0.3, 0.5]}
    figure = viz.loss_curves(history)
    lines = {axes.get_title(): axes.get_lines() for axes in figure.axes}
    assert list(lines) == ["generator loss", "kl loss"]
    assert [line.get_ydata().tolist() for line in lines["kl loss"]] == [[0.1, 0.2, 0.4], [0.2, 0.3, 0.5]]
    assert [line.get_linestyle() for line in lines["kl loss"]] == ["-", "--"]
    assert lines["generator loss"][0].get_xdata().tolist() == [1, 2, 3]
    assert len(lines["generator loss"]) == 1


def test_loss_curves_of_an_empty_history_are_refused():
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'genzoo[plot]'")
    with pytest.raises(ValueError, match="Expected a history with metrics"):
        viz.loss_curves({})
