"""What is no image is refused before anything is built, with the forms of data that ``fit`` takes or what to do."""

import keras
import numpy as np
import pytest
from pictures import pixels

import genzoo
from genzoo import data
from genzoo.data.batches import check_images

FORMS = "Expected images: one array .* Hugging Face Dataset, tf.data.Dataset, torch DataLoader"


def a_function():
    yield pixels(4, 8, 8, 1)


@pytest.fixture(scope="module")
def model():
    return genzoo.get("vae", hidden_dim=4, seed=0)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ("mnist", r"Received: 'mnist'. Load it: genzoo.data.load"),
        (a_function, "Received: function. Call it, and pass what it returns"),
        (3, "Received: int"),
        (2.5, "Received: float"),
        (object(), "Received: object"),
        ({"cat": 1}, r"Received keys: \['cat'\]"),
        ({1: 2, "cat": 1}, r"Received keys: \['1', 'cat'\]"),
        (["a.png", "b.png"], "Received: ndarray of <U5"),
        ([pixels(3, 3, 1), pixels(4, 4, 1)], "A list of images holds arrays of one shape"),
        (iter([["a.png", "b.png"]]), "Received: str"),
        ({1, 2}, "Received: int"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("Received") else type(value).__name__,
)
def test_other_forms_are_refused_with_those_that_fit_takes(model, x, message):
    with pytest.raises(ValueError, match=FORMS) as caught:
        model.fit(x, verbose=0)
    caught.match(message)
    assert not model.built


@pytest.mark.parametrize("column", [False, True])
def test_a_frame_says_how_to_take_the_images_out(model, column):
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    frame = pandas.DataFrame({"image": list(pixels(4, 8, 8, 1))})
    with pytest.raises(ValueError, match=FORMS + r".* Received: \w+. Take the images out of the frame: np.stack"):
        model.fit(frame["image"] if column else frame, verbose=0)
    assert np.stack(frame["image"]).shape == (4, 8, 8, 1)


CHANNELS_FIRST = [(1, 28, 28), (3, 32, 32), (3, 8, 5), (2, 8, 8), (4, 64, 64), (1, 5, 5)]


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("shape", CHANNELS_FIRST)
def test_channels_first_are_refused_with_the_transposition(model, shape, dtype):
    x = np.zeros((4, *shape), dtype)
    with pytest.raises(ValueError, match=r"channels last.* Received: shape \(4, .* Move them: np.moveaxis\(x, 1, -1\)"):
        model.fit(x, verbose=0)
    assert not model.built
    assert check_images(np.moveaxis(x, 1, -1)[..., :1]) == (*shape[1:], 1)


@pytest.mark.parametrize("shape", CHANNELS_FIRST[:2])
def test_a_loader_with_channels_first_is_refused_with_the_transposition(shape):
    torch = pytest.importorskip("torch", reason="needs torch")
    if keras.config.backend() != "torch":
        pytest.skip("needs the backend torch")
    x = torch.rand(8, *shape)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), batch_size=4)
    built = genzoo.get("gan", seed=0)
    with pytest.raises(ValueError, match=r"Move them: x.permute\(0, 2, 3, 1\)"):
        built.fit(loader, verbose=0)
    assert not built.built
    assert check_images(x.permute(0, 2, 3, 1)) == (*shape[1:], shape[0])


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 1, 3), (3, 3, 3), (3, 8, 1), (4, 4, 1), (1, 28, 3), (32, 32, 3), (2, 2, 1)]
)
def test_small_images_are_not_taken_for_channels_first(shape):
    assert check_images(np.zeros((4, *shape), "float32")) == shape


@pytest.mark.parametrize("channels", [2, 5, 12])
def test_other_numbers_of_channels_are_refused(model, channels):
    with pytest.raises(
        ValueError, match=rf"1 channel \(grey\) or 3 \(RGB\). Received: .*, {channels} channels. Choose"
    ):
        model.fit(np.zeros((4, 8, 8, channels), "float32"), verbose=0)
    assert not model.built


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_four_channels_are_refused_with_a_composition_that_is_right(model, dtype):
    x = pixels(4, 8, 8, 4)
    x = x if dtype == "uint8" else (x / 255).astype(dtype)
    with pytest.raises(ValueError, match=r"4 channels. If the fourth is alpha, lay them over white: ") as caught:
        model.fit(x, verbose=0)
    alpha = x[..., 3:] / (255 if dtype == "uint8" else 1)
    expected = x[..., :3] / (255 if dtype == "uint8" else 1) * alpha + 1 - alpha
    names = {"x": x}
    exec(str(caught.value).split("over white: ")[1], names)
    np.testing.assert_allclose(names["x"], expected, atol=1e-6)
    check_images(names["x"])


@pytest.mark.parametrize(
    ("dtype", "values", "advice"),
    [
        ("uint16", [0, 65535], "(x / 65535).astype('float32'), where 65535 stands for"),
        ("uint16", [0, 4095], "(x / 65535).astype('float32'), where 65535 stands for"),
        ("int32", [0, 4095], "(x / 4095).astype('float32'), where 4095 stands for"),
        ("int64", [0, 255], "x.astype('uint8')."),
        ("int16", [-1000, 3000], "Shift and scale them to [0, 1]."),
    ],
)
def test_advice_for_other_integers_does_not_wrap(model, dtype, values, advice):
    x = np.resize(np.array(values, dtype), (4, 8, 8, 1))
    with pytest.raises(
        ValueError, match=rf"dtype {dtype}, values from {values[0]} to {values[1]}. Convert: "
    ) as caught:
        model.fit(x, verbose=0)
    said = str(caught.value).split("Convert: ")[1]
    assert said.startswith(advice)
    if "astype" in advice:
        converted = eval(said.split(", where")[0].rstrip("."))
        check_images(converted)
        assert (np.argsort(converted.ravel(), kind="stable") == np.argsort(x.ravel(), kind="stable")).all()


def test_load_takes_no_other_objects_and_no_columns_of_a_folder(tmp_path):
    with pytest.raises(ValueError, match=r"a path, or a Hugging Face data set. Received: int"):
        data.load(3)
    with pytest.raises(ValueError, match=r"`image` goes with a Hugging Face data set. Received: image='a'"):
        data.load("digits", image="a")
    np.savez(tmp_path / "a.npz", image=np.zeros((4, 3, 32, 32), "uint8"))
    with pytest.raises(ValueError, match=r"The images of .*a.npz cannot be trained on. .* Move them"):
        data.load(tmp_path / "a.npz")
