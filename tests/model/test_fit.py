"""``fit`` and the verbs around it: what they take, what they refuse, and what they leave alone."""

import keras
import numpy as np
import pytest
from backends import BACKEND, INSTALLED
from keras import ops
from small_models import PLAYERS, assert_equal, small

import genzoo
from genzoo.data.batches import ImageBatches
from genzoo.testing.subjects import weights_of


@pytest.fixture
def images(images):
    """Two whole batches of 8: every further batch shape would be one more compilation per model and check."""
    return images[0][:16], images[1][:16]


@pytest.mark.parametrize("name", PLAYERS)
def test_validation_does_not_touch_training(name, images):
    plain, validated, (x, y) = small(name), small(name), images
    plain.fit(*images, epochs=2, batch_size=8, verbose=0)
    history = validated.fit(*images, epochs=2, batch_size=8, validation_data=(x[:8], y[:8]), verbose=0).history
    assert {key for key in history if key.startswith("val_")} == {f"val_{m.name}" for m in validated.metrics}
    assert_equal(weights_of(plain), weights_of(validated))


@pytest.mark.parametrize("name", PLAYERS)
def test_set_random_seed_fixes_a_model_without_a_seed(name, images):
    def trained():
        keras.utils.set_random_seed(3)
        model = small(name, seed=None)
        model.fit(*images, batch_size=8, verbose=0)
        return weights_of(model)

    assert_equal(trained(), trained())


def data_forms(x, y):
    """The same 16 images in every form that ``fit`` takes."""

    def generator():
        for i in range(0, 16, 8):
            yield x[i : i + 8], y[i : i + 8]

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return x[8 * i : 8 * i + 8], y[8 * i : 8 * i + 8]

    forms = {
        "uint8": (x, y),
        "float32": ((x / 255).astype("float32"), y),
        "float64": (x / 255, y),
        "list": (list(x), list(y)),
        "backend tensor": (ops.convert_to_tensor(x), ops.convert_to_tensor(y)),
        "dict of arrays": ({"image": x, "label": y},),
        "genzoo.data": (ImageBatches(x, y, 8, shuffle=False),),
        "PyDataset": (Batches(),),
        "tuple of arrays": ((x, y),),
        "generator": (generator(),),
        "generator of dicts": (
            batch for batch in [{"image": x[i : i + 8], "label": y[i : i + 8]} for i in range(0, 16, 8)]
        ),
    }
    unlabelled = {
        "x alone": (x,),
        "generator of x": (batch for batch in [x[i : i + 8] for i in range(0, 16, 8)]),
    }
    if "torch" in INSTALLED:
        import torch
        from torch.utils.data import DataLoader

        tensors = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
        unlabelled["DataLoader of tensors"] = (DataLoader(tensors.tensors[0], 8),)
        forms["DataLoader"] = (DataLoader(tensors, 8),)
        forms["DataLoader of dicts"] = (DataLoader([{"image": i, "label": j} for i, j in tensors], 8),)
    if BACKEND == "tensorflow":  # importing it costs the other backends seconds
        import tensorflow as tf

        unlabelled["tf.data of x"] = (tf.data.Dataset.from_tensor_slices(x).batch(8),)
        forms["tf.data of (x, y)"] = (tf.data.Dataset.from_tensor_slices((x, y)).batch(8),)
        forms["tf.data of dicts"] = (tf.data.Dataset.from_tensor_slices({"image": x, "label": y}).batch(8),)
    return forms, unlabelled


@pytest.mark.parametrize("name", ["vae", "cvae"])  # the data's way to the step is the same for all models
def test_every_form_of_data_trains_the_same_model(name, images):
    expected, (forms, unlabelled) = None, data_forms(*images)
    for form, arguments in {**forms, **({} if small(name).label_ids else unlabelled)}.items():
        model = small(name)
        # A generator has no length to tell Keras how many batches it yields.
        steps = {"steps_per_epoch": 2} if form.startswith("generator") else {}
        arguments = arguments if isinstance(arguments, tuple) else (arguments,)
        model.fit(*arguments, batch_size=8, shuffle=False, verbose=0, **steps)
        expected = expected or weights_of(model)
        for mine, other in zip(weights_of(model), expected, strict=True):
            np.testing.assert_allclose(mine, other, atol=2e-5, err_msg=form)


@pytest.mark.parametrize("name", PLAYERS)
def test_bool_images_are_zeros_and_ones(name, images):
    model, x, y = small(name), images[0][:8] > 127, images[1][:8]
    assert model.test_on_batch(x, y) == model.test_on_batch(x.astype("float32"), y)


@pytest.mark.parametrize("name", PLAYERS)
def test_test_on_batch_changes_nothing(name, images):
    model, batch = small(name), [a[:8] for a in images]
    model.fit(*batch, verbose=0)
    counted = {id(v) for metric in model.metrics for v in metric.variables}
    kept = [v for v in (*model.variables, *model.optimizer.variables) if id(v) not in counted]
    before = [np.array(ops.convert_to_numpy(v)) for v in kept]
    model.test_on_batch(*batch)
    assert_equal(before, [ops.convert_to_numpy(v) for v in kept])


def test_wrong_images_are_refused_before_anything_is_built():
    x = np.zeros((4, 8, 8, 1), "float32")
    nan = np.where(np.arange(4).reshape(4, 1, 1, 1) == 3, np.nan, x)
    for wrong, message in [
        (x + 128.0, r"must lie in \[0, 1\].*from 128 to 128.*Divide by 255"),
        (x - 1.0, r"must lie in \[0, 1\].*\(x \+ 1\) / 2"),
        (nan, "NaN or infinity"),
        (x[..., 0], r"Received: shape \(4, 8, 8\).*Add the channel axis"),
        (x.reshape(4, 64), r"Received: shape \(4, 64\).*reshape"),
        (x.astype("int32"), "dtype int32.*astype"),
        ((x + 1).astype("uint8"), "hold only 0 and 1"),
        (x[:0], "empty"),
        ([], "No data|empty|Expected"),
        (None, "No data"),
        ({"picture": x}, r"key 'image'.*\['picture'\]"),
        ("mnist", r"'mnist'. Load it: genzoo.data.load"),
        ((batch for batch in ()), "yielded no batch"),
    ]:
        model = small("vae")
        with pytest.raises(ValueError, match=message):
            model.fit(wrong, verbose=0)
        assert not model.built, message


def test_a_built_model_refuses_images_of_another_shape(images):
    model = small("vae")
    model.fit(*images, batch_size=8, verbose=0)
    with pytest.raises(ValueError, match=r"built for images of shape \(8, 8, 1\). Received: \(12, 8, 1\)"):
        model.fit(np.zeros((4, 12, 8, 1), "uint8"), np.arange(4), verbose=0)


def test_what_fit_does_not_support_is_refused_by_name(images):
    model = small("vae")
    with pytest.raises(ValueError, match="`sample_weight` is not supported"):
        model.fit(*images, sample_weight=np.ones(16))
    with pytest.raises(ValueError, match="`class_weight` is not supported"):
        model.fit(*images, class_weight={0: 1.0})
    with pytest.raises(ValueError, match="`validation_split` works on arrays"):
        model.fit((batch for batch in [images[0]]), validation_split=0.5)
    with pytest.raises(ValueError, match="`y` goes with an array"):
        model.fit((batch for batch in [images[0]]), images[1])


def test_labels_missing_where_needed_are_asked_for(images):
    (x, y), model = images, small("cvae")
    for data in (x, {"image": x}, (batch for batch in [x])):
        with pytest.raises(ValueError, match=r"CVAE needs labels.*Pass y to fit"):
            model.fit(data, verbose=0)
    for wrong, message in [
        (y + 1, "ids from 1 to 10.*`num_classes` of the model"),
        (np.eye(10)[y], r"shape \(16, 10\). Decode one-hot labels with y.argmax\(1\)"),
        (y / 2, "integer class ids.*float64"),
    ]:
        with pytest.raises(ValueError, match=rf"CVAE takes labels.*{message}"):
            model.fit(x, wrong, verbose=0)
    assert not model.built
    model.fit(x, y, batch_size=8, verbose=0)
    np.testing.assert_array_equal(model.sample(3, labels=2, seed=0), model.sample(3, labels=[2, 2, 2], seed=0))
    for wrong, message in [(10, "from 10 to 10"), ([1, 2], "one for each of 3. Received: 2")]:
        with pytest.raises(ValueError, match=message):
            model.sample(3, labels=wrong)


@pytest.mark.parametrize("name", ["vae", "aae", "cdcgan"])
def test_labels_may_be_a_column_and_change_nothing_where_there_are_none(name, images):
    model, (x, y) = small(name), images
    if model.label_ids is None:
        assert model.test_on_batch(x) == model.test_on_batch(x, y)
        with pytest.raises(ValueError, match=f"{type(model).__name__} takes no labels"):
            model.sample(2, labels=1)
    else:  # as Keras users often have them
        assert model.test_on_batch(x, y[:, None]) == model.test_on_batch(x, y)


def test_a_model_without_an_encoder_says_so(images):
    model = small("gan")
    model.build((None, 8, 8, 1))
    for verb in (model.encode, model.reconstruct):
        with pytest.raises(NotImplementedError, match="GAN has no encoder"):
            verb(images[0])


@pytest.mark.parametrize("name", ["vae", "cvae"])
def test_encode_and_predict_take_what_fit_takes(name, images):
    model, (x, y) = small(name), images
    model.fit(x, y, batch_size=8, verbose=0)
    labels = {"labels": y} if "conditional" in model.tags else {}
    z = model.encode(x, **labels)
    np.testing.assert_allclose(model.encode(x / 255, **labels), z, atol=1e-5)
    inputs = [x, y] if labels else x
    np.testing.assert_allclose(model.predict(inputs, verbose=0), model.decode(z, **labels), atol=1e-5)


def test_a_short_batch_of_samples_is_padded_and_cut(images):
    model = small("vae")
    model.fit(*images, batch_size=8, verbose=0)
    whole = model.sample(7, seed=1)
    assert len(whole) == 7
    np.testing.assert_allclose(whole, model.sample(7, seed=1, batch_size=3), atol=1e-6)


def test_verbs_before_fit_say_what_to_do():
    with pytest.raises(ValueError, match=r"does not know its image shape yet. Call fit\(x\) or build"):
        small("vae").sample(1)


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "four"])
def test_sample_refuses_a_wrong_number(n):
    with pytest.raises(ValueError, match="`n` must be an integer of at least 1"):
        small("vae").sample(n)


@pytest.mark.parametrize("form", ["array", "tuple", "pair", "list", "batches"])
def test_validation_data_in_every_form(images, form):
    x, y = images
    forms = {"array": x, "tuple": (x,), "pair": (x, y), "list": [x, y], "batches": ImageBatches(x, y)}
    history = small("vae").fit(x, validation_data=forms[form], verbose=0).history
    expected = small("vae").fit(x, validation_data=x, verbose=0).history
    assert history == expected


@pytest.mark.parametrize("seed", ["3", -3, 1.5, True])
def test_a_wrong_seed_is_refused_by_name(images, seed):
    with pytest.raises(ValueError, match="`seed` must be an integer of at least 0"):
        genzoo.get("vae", seed=seed)
    model = small("vae", seed=np.int64(3))
    model.fit(*images, batch_size=8, verbose=0)
    with pytest.raises(ValueError, match="`seed` must be an integer of at least 0"):
        model.sample(1, seed=seed)


def test_predict_checks_its_input(images):
    model = small("vae")
    model.fit(*images, batch_size=8, verbose=0)
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        model.predict(images[0].astype("float32"), verbose=0)
    model = small("dcgan")
    model.fit(*images, batch_size=8, verbose=0)
    with pytest.raises(ValueError, match=r"DCGAN maps latents to images.*sample\(n\)"):
        model.predict(images[0], verbose=0)
    z = np.zeros((3, 4), "float32")
    np.testing.assert_allclose(model.predict(z, verbose=0), model.decode(z), atol=1e-6)


@pytest.mark.parametrize("name", PLAYERS)
def test_validation_split_is_the_end_of_the_data(name, images):
    model, manual, (x, y) = small(name), small(name), images
    split = model.fit(x, y, batch_size=8, validation_split=0.5, verbose=0).history
    by_hand = manual.fit(x[:8], y[:8], batch_size=8, validation_data=(x[8:], y[8:]), verbose=0).history
    assert split == by_hand


@pytest.mark.parametrize("name", PLAYERS)
def test_train_on_batch_equals_fit_on_that_batch(name, images):
    one, other = small(name), small(name)
    batch = [a[:8] for a in images]
    logs = one.train_on_batch(*batch, return_dict=True)
    history = other.fit(*batch, shuffle=False, verbose=0).history
    assert {key: values[0] for key, values in history.items()} == pytest.approx(logs, rel=1e-6)
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
