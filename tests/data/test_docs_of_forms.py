"""Every form of data in docs/data.md goes into ``fit``, or is refused as the table says."""

import re

import keras
import numpy as np
import pytest
from pictures import pixels
from PIL import Image
from places import ROOT

import genzoo
from genzoo import data

GREY, COLOUR = pixels(6, 8, 8, 1), pixels(6, 8, 8, 3)
MOVED, FORM = r"channels last.* Move them", "Expected images: one array"
TAKEN = "taken"


def loader(x):
    torch = pytest.importorskip("torch", reason="needs torch")
    if keras.config.backend() != "torch":
        pytest.skip("needs the backend torch")
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(x / 255)), batch_size=4)


def tensors():
    return pytest.importorskip("tensorflow", reason="needs TensorFlow").data.Dataset.from_tensor_slices(GREY).batch(4)


def table(**formats):
    datasets = pytest.importorskip("datasets", reason="needs Hugging Face's datasets: pip install datasets")
    made = datasets.Dataset.from_dict({"image": list(map(Image.fromarray, COLOUR))})
    return made.cast_column("image", datasets.Image()).with_format(**formats)


def splits():
    datasets = pytest.importorskip("datasets", reason="needs Hugging Face's datasets: pip install datasets")
    return datasets.DatasetDict(train=table(), test=table())


def frame():
    return pytest.importorskip("pandas", reason="needs pandas").DataFrame({"image": list(GREY)})


# What is passed, as the docs call it; what happens, as they say it; how to make it; a pattern of the error or None.
ROWS = [
    ("array `(n, height, width, 1 or 3)`, uint8", TAKEN, lambda: COLOUR, None),
    ("the same as bool, or float in [0, 1]", TAKEN, lambda: GREY / 255, None),
    ("list of arrays of one shape", TAKEN, lambda: list(GREY), None),
    ('`{"image": x, "label": y}`', TAKEN, lambda: {"image": GREY, "label": np.arange(6)}, None),
    ("`genzoo.data` set", TAKEN, lambda: data.ImageBatches(GREY), None),
    ("Hugging Face `Dataset` with a column of images", TAKEN, table, None),
    ("the same, formatted for NumPy", TAKEN, lambda: table(type="numpy"), None),
    ("Hugging Face `DatasetDict`", "its split `train` is taken", splits, None),
    (
        "Hugging Face `IterableDataset`",
        "refused with the line that takes a part",
        lambda: table().to_iterable_dataset(),
        r"Dataset.from_list",
    ),
    ("generator of batches, with `steps_per_epoch`", TAKEN, lambda: (x for x in (GREY, GREY)), None),
    ("`tf.data.Dataset`", TAKEN, tensors, None),
    ("torch `DataLoader`, channels last", TAKEN, lambda: loader(GREY), None),
    (
        "torch `DataLoader`, channels first",
        "refused with the transposition",
        lambda: loader(np.moveaxis(COLOUR, -1, 1)),
        MOVED,
    ),
    ("array with the channels first", "refused with the transposition", lambda: np.moveaxis(COLOUR, -1, 1), MOVED),
    (
        "4 channels, uint8 or float",
        "refused with the line that lays them over white",
        lambda: np.concatenate([COLOUR, GREY], axis=-1),
        "lay them over white",
    ),
    ("2 channels, or more than 4", "refused", lambda: np.zeros((4, 8, 8, 2)), "2 channels. Choose those to model"),
    (
        "integers of 16 bits and more",
        "refused with the line that scales them",
        lambda: GREY.astype("uint16") * 257,
        r"Convert: \(x / 65535\)",
    ),
    (
        "pandas frame or series",
        "refused with the line that takes the images out",
        frame,
        r"np.stack\(frame\['image'\]\)",
    ),
    (
        "function that makes a generator",
        "refused: call it",
        lambda: lambda: iter([GREY]),
        "Call it, and pass what it returns",
    ),
    ("text, a path", "refused: load it", lambda: "mnist", "Load it: genzoo.data.load"),
    ("number, dict without `image`, other objects", "refused with the forms that go", lambda: 3, FORM),
]


@pytest.mark.parametrize(("make", "error"), [row[2:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_fit_does_what_the_docs_say(make, error):
    model = genzoo.get("vae", hidden_dim=4, seed=0)
    if error is None:
        assert np.isfinite(model.fit(make(), steps_per_epoch=1, verbose=0).history["loss"]).all()
        return
    with pytest.raises(ValueError, match=error):
        model.fit(make(), steps_per_epoch=1, verbose=0)
    assert not model.built


def test_the_docs_have_this_table():
    part = (ROOT / "docs" / "data.md").read_text().split("<!-- forms -->")[1].split("<!-- end of forms -->")[0]
    assert re.findall(r"^\| (.+?) \| (.+?) \|$", part, re.M)[1:] == [row[:2] for row in ROWS]
