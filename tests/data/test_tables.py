"""Hugging Face data sets with a column of images load and train as they are."""

import io

import numpy as np
import pytest
from pictures import pixels
from PIL import Image

import genzoo
from genzoo import data

datasets = pytest.importorskip("datasets", reason="needs Hugging Face's datasets: pip install datasets")
PIXELS = pixels(12, 8, 8, 3)
NAMES = ["cat", "dog", "emu"]
IDS = [i % 3 for i in range(12)]


def table(image="img", label="label", **columns):
    features = {image: datasets.Image(), label: datasets.ClassLabel(names=NAMES)}
    content = {image: list(map(Image.fromarray, PIXELS)), label: IDS, **columns}
    features |= {name: datasets.Value("string") for name in columns}
    return datasets.Dataset.from_dict(content, features=datasets.Features(features))


def assert_whole(found, labels=IDS, names=tuple(NAMES)):
    np.testing.assert_array_equal(found.images, PIXELS)
    assert found.images.dtype == np.uint8
    assert found.labels.tolist() == labels
    assert found.class_names == names


@pytest.mark.parametrize("layout", [None, "numpy", "torch"])
@pytest.mark.parametrize(("image", "label"), [("image", "label"), ("img", "fine_label"), ("scan", "kind")])
def test_images_and_classes_are_found_by_what_the_columns_hold(image, label, layout):
    if layout == "torch":
        pytest.importorskip("torch", reason="needs torch")
    made = table(image, label, caption=["words"] * 12).with_format(layout)
    assert_whole(data.load(made, shuffle=False))


def test_columns_can_be_named():
    made = table("image", "label").add_column("other", [5] * 12)
    assert data.load(made, shuffle=False, label="other").labels.tolist() == [5] * 12
    with pytest.raises(ValueError, match=r"has the columns image, label, other. Received: image='nope'"):
        data.load(made, image="nope")
    with pytest.raises(ValueError, match=r"Expected one column of images. Received: the columns label, other"):
        data.load(made.remove_columns("image"))


def test_splits_of_a_dict_are_taken():
    splits = datasets.DatasetDict(train=table(), test=table().select(range(4)))
    assert_whole(data.load(splits, shuffle=False))
    assert len(data.load(splits, "test").images) == 4
    with pytest.raises(ValueError, match=r"has the splits train, test. Received: split='val'"):
        data.load(splits, "val")
    with pytest.raises(ValueError, match="A Dataset is one split"):
        data.load(table(), "test")


def test_labels_that_are_words_are_numbered_in_their_order():
    words = [NAMES[i] for i in IDS]
    made = table().remove_columns("label").add_column("label", words)
    assert_whole(data.load(made, shuffle=False))


def test_arrays_and_transforms_come_as_they_are():
    features = datasets.Features({"image": datasets.Array3D((8, 8, 3), "uint8")})
    made = datasets.Dataset.from_dict({"image": PIXELS.tolist()}, features=features)
    np.testing.assert_array_equal(data.load(made, shuffle=False).images, PIXELS)
    grey = table().with_transform(lambda rows: {"pixel_values": [np.asarray(i.convert("L")) for i in rows["img"]]})
    assert data.load(grey).images.shape == (12, 8, 8, 1)
    first = table().with_transform(lambda rows: {"image": [np.moveaxis(np.asarray(i), -1, 0) for i in rows["img"]]})
    with pytest.raises(ValueError, match=r"channels first. Move them"):
        data.load(first)


@pytest.mark.parametrize("form", ["table", "dict", "formatted"])
def test_fit_takes_them(form):
    made = table()
    made = {"table": made, "dict": datasets.DatasetDict(train=made), "formatted": made.with_format("numpy")}[form]
    model = genzoo.get("cvae", num_classes=3, hidden_dim=4, seed=0)
    assert np.isfinite(model.fit(made, epochs=1, verbose=0).history["loss"]).all()
    assert model.image_shape == (8, 8, 3)
    assert np.isfinite(model.evaluate(made, verbose=0, return_dict=True)["loss"])


def test_images_are_read_as_files_are():
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(stream, "png", exif=exif)
    clear = Image.fromarray(np.zeros((8, 8, 4), "uint8"))
    features = datasets.Features({"image": datasets.Image()})
    made = datasets.Dataset.from_dict({"image": [{"bytes": stream.getvalue()}, clear]}, features=features)
    found = data.load(made, shuffle=False).images
    np.testing.assert_array_equal(found, [np.rot90(PIXELS[0], -1), np.full((8, 8, 3), 255)])
    np.testing.assert_array_equal(data.load(made, shuffle=False, background=0).images[1], np.zeros((8, 8, 3)))


def test_a_damaged_row_and_a_stream_are_refused():
    features = datasets.Features({"image": datasets.Image()})
    made = datasets.Dataset.from_dict({"image": [Image.fromarray(PIXELS[0]), {"bytes": b"none"}]}, features=features)
    with pytest.raises(ValueError, match="Row 1 has no readable image in 'image'"):
        data.load(made)
    stream = table().to_iterable_dataset()
    with pytest.raises(ValueError, match=r"Take as many as do: datasets.Dataset.from_list"):
        genzoo.get("vae", hidden_dim=4).fit(stream, verbose=0)
    taken = datasets.Dataset.from_list(list(stream.take(10_000)), features=stream.features)
    assert_whole(data.load(taken, shuffle=False))


def test_rows_of_different_sizes_are_named():
    features = datasets.Features({"image": datasets.Image()})
    both = [Image.fromarray(pixels(4, 4)), Image.fromarray(pixels(6, 8))]
    made = datasets.Dataset.from_dict({"image": both}, features=features)
    with pytest.raises(ValueError, match=r"row 0 is \(4, 4, 1\), row 1 is \(6, 8, 1\). Pass image_size="):
        data.load(made)
    assert data.load(made, image_size=4).images.shape == (2, 4, 4, 1)
