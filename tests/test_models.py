"""One table of checks over the whole registry, and what the papers fix for single models."""

import keras
import numpy as np
import pytest
import torch
from keras import ops
from toys import ToyOverlap

import genzoo
from genzoo import registry
from genzoo.batches import ImageBatches

MODELS = genzoo.list_models()
SMALL = {"hidden_dim": 16, "latent_dim": 4}


def small(name, **config):
    """The model with the smallest networks that it offers."""
    options = registry.spec(name).load().options()
    return genzoo.get(name, **{"seed": 0, **{k: v for k, v in SMALL.items() if k in options}, **config})


def weights_of(model):
    return [np.array(w) for w in model.get_weights()]


def state_of(model):
    return [np.array(ops.convert_to_numpy(v)) for v in (*model.variables, *model.optimizer.variables)]


def assert_equal(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (64, 64, 1)], ids=str)
def test_fits_uint8_images_of_any_size_with_no_other_argument(name, shape):
    x = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype="uint8")
    model = genzoo.get(name, seed=0)
    history = model.fit(x, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    images = model.sample(2, seed=0)
    assert (images.shape, images.dtype) == ((2, *shape), np.float32)
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std() > 0


def test_partial_last_batch_and_history_keys(name, images):
    model = small(name)
    history = model.fit(images[0], batch_size=8, epochs=2, verbose=0).history
    players = list(model.players)
    losses = ["loss"] if len(players) == 1 else [f"{player}_loss" for player in players]
    assert set(history) == {*losses, *model.logs}
    assert [m.name for m in model.metrics] == [*losses, *model.logs]
    assert all(len(values) == 2 and np.isfinite(values).all() for values in history.values())
    assert int(model.optimizer.iterations) == 6


def test_every_player_advances_and_moves_only_its_own_variables(name, images):
    model = small(name)
    model.build((None, *images[0].shape[1:]))
    for player, networks in model.players.items():
        own = {id(v) for network in networks for v in getattr(model, network).trainable_variables}
        assert {id(v) for v in model.optimizer.variables_of(player)} == own
        before = {id(v): ops.convert_to_numpy(v) for v in model.trainable_variables}
        only_plays(model, player).fit(images[0], batch_size=8, verbose=0)
        moved = {id(v) for v in model.trainable_variables if not np.array_equal(before[id(v)], ops.convert_to_numpy(v))}
        assert moved == own
    for player in model.players:
        optimizer = model.optimizer[player]
        assert int(optimizer.iterations) == 3
        assert all(np.any(ops.convert_to_numpy(v)) for v in optimizer.variables)


def only_plays(model, player):
    """The same model, recompiled as it is, whose other players sit out."""
    minimize = type(model).minimize

    def sit_out(loss_fn, other):
        if other == player:
            return minimize(model, loss_fn, other)

    model.compile(model.optimizer)
    model.minimize = sit_out
    return model


def test_batch_statistics_move_in_fit_and_not_in_evaluate(name, images):
    model = small(name)
    model.build((None, *images[0].shape[1:]))

    def statistics():
        return [ops.convert_to_numpy(v) for v in model.non_trainable_weights]

    before = statistics()
    model.evaluate(images[0], verbose=0)
    assert_equal(before, statistics())
    model.fit(images[0], verbose=0)
    assert all(not np.array_equal(a, b) for a, b in zip(before, statistics(), strict=True))


def test_evaluate_changes_nothing_and_repeats_itself(name, images):
    model = small(name)
    model.fit(images[0], verbose=0)
    before = state_of(model)
    first = model.evaluate(images[0], verbose=0, return_dict=True)
    assert first == model.evaluate(images[0], verbose=0, return_dict=True)
    model.test_on_batch(images[0])
    assert_equal(before, state_of(model))


def test_validation_does_not_touch_training(name, images):
    plain, validated = small(name), small(name)
    plain.fit(images[0], epochs=2, batch_size=8, verbose=0)
    history = validated.fit(images[0], epochs=2, batch_size=8, validation_data=images[0][:5], verbose=0).history
    assert {key for key in history if key.startswith("val_")} == {f"val_{m.name}" for m in validated.metrics}
    assert_equal(weights_of(plain), weights_of(validated))


def test_a_seed_fixes_everything_and_nothing_global_does(name, images):
    def trained(seed):
        model = small(name, seed=seed)
        model.fit(images[0], batch_size=8, epochs=2, verbose=0)
        return weights_of(model)

    first = trained(1)
    keras.utils.set_random_seed(7)
    state = np.random.get_state()[1].copy()
    assert_equal(first, trained(1))
    np.testing.assert_array_equal(state, np.random.get_state()[1])
    assert any(not np.array_equal(a, b) for a, b in zip(first, trained(2), strict=True))


def test_set_random_seed_fixes_a_model_without_a_seed(name, images):
    def trained():
        keras.utils.set_random_seed(3)
        model = small(name, seed=None)
        model.fit(images[0], batch_size=8, verbose=0)
        return weights_of(model)

    assert_equal(trained(), trained())


def test_samples_depend_on_their_seed_and_not_on_the_batch_size(name, images):
    model = small(name)
    model.fit(images[0], verbose=0)
    np.testing.assert_array_equal(model.sample(7, seed=1), model.sample(7, seed=1))
    np.testing.assert_allclose(model.sample(7, seed=1), model.sample(7, seed=1, batch_size=3), atol=1e-6)
    assert not np.array_equal(model.sample(7, seed=1), model.sample(7, seed=2))
    assert not np.array_equal(model.sample(7), model.sample(7))
    z = np.random.default_rng(1).standard_normal((7, model.latent_dim), dtype="float32")
    np.testing.assert_array_equal(model.decode(z), model.sample(7, seed=1))


def test_encoder_verbs(name, images):
    model = small(name)
    model.fit(images[0], verbose=0)
    if "encoder" not in model.tags:
        for verb in (model.encode, model.reconstruct):
            with pytest.raises(NotImplementedError, match=f"{type(model).__name__} has no encoder"):
                verb(images[0])
        return
    z = model.encode(images[0])
    assert (z.shape, z.dtype) == ((20, model.latent_dim), np.float32)
    np.testing.assert_allclose(model.encode(images[0] / 255), z, atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(images[0]), model.decode(z), atol=1e-5)
    np.testing.assert_allclose(model.predict(images[0], verbose=0), model.decode(z), atol=1e-5)


def data_forms(x, y):
    """The same 20 images in every form that ``fit`` takes."""

    def generator():
        for i in range(0, 20, 8):
            yield x[i : i + 8], y[i : i + 8]

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return x[8 * i : 8 * i + 8], y[8 * i : 8 * i + 8]

    tensors = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
    forms = {
        "uint8": (x,),
        "float32": ((x / 255).astype("float32"),),
        "float64": (x / 255,),
        "labels": (x, y),
        "list": (list(x),),
        "backend tensor": (ops.convert_to_tensor(x),),
        "dict of arrays": ({"image": x, "label": y},),
        "genzoo.data": (ImageBatches(x, y, 8, shuffle=False),),
        "PyDataset": (Batches(),),
        "DataLoader": (torch.utils.data.DataLoader(tensors, 8),),
        "DataLoader of tensors": (torch.utils.data.DataLoader(tensors.tensors[0], 8),),
        "DataLoader of dicts": (torch.utils.data.DataLoader([{"image": i, "label": j} for i, j in tensors], 8),),
        "tuple of arrays": ((x, y),),
        "generator": (generator(),),
        "generator of x": (batch for batch in [x[i : i + 8] for i in range(0, 20, 8)]),
        "generator of dicts": (batch for batch in [{"image": x[i : i + 8]} for i in range(0, 20, 8)]),
    }
    if keras.config.backend() == "tensorflow":  # importing it costs the other backends seconds
        import tensorflow as tf

        forms["tf.data of x"] = (tf.data.Dataset.from_tensor_slices(x).batch(8),)
        forms["tf.data of (x, y)"] = (tf.data.Dataset.from_tensor_slices((x, y)).batch(8),)
        forms["tf.data of dicts"] = (tf.data.Dataset.from_tensor_slices({"image": x, "label": y}).batch(8),)
    return forms


def test_every_form_of_data_trains_the_same_model(name, images):
    expected = None
    for form, arguments in data_forms(*images).items():
        model = small(name)
        # A generator has no length to tell Keras how many batches it yields.
        steps = {"steps_per_epoch": 3} if form.startswith("generator") else {}
        arguments = arguments if isinstance(arguments, tuple) else (arguments,)
        model.fit(*arguments, batch_size=8, shuffle=False, verbose=0, **steps)
        expected = expected or weights_of(model)
        for mine, other in zip(weights_of(model), expected, strict=True):
            np.testing.assert_allclose(mine, other, atol=2e-5, err_msg=form)


def test_bool_images_are_zeros_and_ones(name, images):
    x = images[0] > 127
    models = small(name), small(name)
    models[0].fit(x, verbose=0)
    models[1].fit(x.astype("float32"), verbose=0)
    assert_equal(weights_of(models[0]), weights_of(models[1]))


def test_mixed_bfloat16_trains_in_bfloat16_with_float32_weights(name, images):
    model = small(name, dtype="mixed_bfloat16")
    history = model.fit(images[0], batch_size=8, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert any(layer.compute_dtype == "bfloat16" for layer in model._flatten_layers(include_self=False))
    assert model.sample(3, seed=0).dtype == np.float32
    assert keras.config.dtype_policy().name == "float32"


def test_float16_is_refused(name):
    with pytest.raises(ValueError, match=r"float16 needs loss scaling.*'mixed_float16'.*mixed_bfloat16"):
        genzoo.get(name, dtype="mixed_float16")


def test_config_round_trip_and_stored_arguments(name):
    model = small(name)
    options = type(model).options()
    config = model.get_config()
    assert {*options} <= {*config}
    assert all(config[option] == getattr(model, option) for option in options)
    copy = type(model).from_config(config)
    assert copy.get_config() == config
    assert set(config) == {*options, "name", "dtype", "trainable"}


@pytest.mark.parametrize("option", ["latent_dim", "hidden_dim", "dropout"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "many", True, None])
def test_options_out_of_range_are_refused_by_name(name, option, value):
    if option not in registry.spec(name).load().options() or (option == "dropout" and value == 0):
        pytest.skip(f"{name} takes {option}={value!r} or has no such option")
    with pytest.raises(ValueError, match=rf"`{option}` must be .*Received: {option}="):
        genzoo.get(name, **{option: value})


def test_wrong_images_are_refused_before_anything_is_built(name):
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
        model = small(name)
        with pytest.raises(ValueError, match=message):
            model.fit(wrong, verbose=0)
        assert not model.built, message


def test_a_built_model_refuses_images_of_another_shape(name, images):
    model = small(name)
    model.fit(images[0], verbose=0)
    with pytest.raises(ValueError, match=r"built for images of shape \(8, 8, 1\). Received: \(12, 8, 1\)"):
        model.fit(np.zeros((4, 12, 8, 1), "uint8"), verbose=0)


def test_what_fit_does_not_support_is_refused_by_name(name, images):
    model = small(name)
    with pytest.raises(ValueError, match="`sample_weight` is not supported"):
        model.fit(images[0], sample_weight=np.ones(20))
    with pytest.raises(ValueError, match="`class_weight` is not supported"):
        model.fit(images[0], class_weight={0: 1.0})
    with pytest.raises(ValueError, match="`validation_split` works on arrays"):
        model.fit((batch for batch in [images[0]]), validation_split=0.5)
    with pytest.raises(ValueError, match="`y` goes with an array"):
        model.fit((batch for batch in [images[0]]), images[1])


def test_labels_missing_where_needed_are_asked_for():
    model, x = ToyOverlap(), np.zeros((4, 2, 2, 1), "float32")
    for data in (x, {"image": x}, (batch for batch in [x])):
        with pytest.raises(ValueError, match=r"ToyOverlap is conditional and needs labels.*Pass y"):
            model.fit(data, verbose=0)
    assert not model.built


def test_verbs_before_fit_say_what_to_do(name):
    with pytest.raises(ValueError, match=r"does not know its image shape yet. Call fit\(x\) or build"):
        small(name).sample(1)


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "four"])
def test_sample_refuses_a_wrong_number(name, n):
    with pytest.raises(ValueError, match="`n` must be an integer of at least 1"):
        small(name).sample(n)


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
    model.fit(images[0], verbose=0)
    with pytest.raises(ValueError, match="`seed` must be an integer of at least 0"):
        model.sample(1, seed=seed)


def test_predict_checks_its_input(images):
    model = small("vae")
    model.fit(images[0], verbose=0)
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        model.predict(images[0].astype("float32"), verbose=0)
    model = small("dcgan")
    model.fit(images[0], verbose=0)
    with pytest.raises(ValueError, match=r"DCGAN maps latents to images.*sample\(n\)"):
        model.predict(images[0], verbose=0)
    z = np.zeros((3, 4), "float32")
    np.testing.assert_allclose(model.predict(z, verbose=0), model.decode(z), atol=1e-6)


def test_models_can_be_named_as_classes():
    assert genzoo.models.VAE is registry.spec("vae").load()
    with pytest.raises(AttributeError, match="VEA"):
        genzoo.models.VEA  # noqa: B018


def test_validation_split_is_the_end_of_the_data(name, images):
    model, manual = small(name), small(name)
    split = model.fit(images[0], validation_split=0.25, verbose=0).history
    by_hand = manual.fit(images[0][:15], validation_data=images[0][15:], verbose=0).history
    assert split == by_hand


def test_train_on_batch_equals_fit_on_that_batch(name, images):
    one, other = small(name), small(name)
    logs = one.train_on_batch(images[0], return_dict=True)
    history = other.fit(images[0], shuffle=False, verbose=0).history
    assert {key: values[0] for key, values in history.items()} == pytest.approx(logs, rel=1e-6)
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_directly_constructed_model_trains_with_the_papers_settings(name, images):
    model = registry.spec(name).load()(seed=0)
    model.fit(images[0], verbose=0)
    for player, default in model.default_optimizers().items():
        assert model.optimizer[player].get_config()["learning_rate"] == default.get_config()["learning_rate"]


def test_docstring_has_its_sections(name):
    doc = registry.spec(name).load().__doc__
    for section in ("Args:", "Example:", "Deviations:", "Reference:", "@inproceedings", "seed"):
        assert section in doc


# What the papers and the seed document fix.


def test_vae_is_the_seeds_784_400_20():
    model = genzoo.get("vae")
    model.build((None, 28, 28, 1))
    assert (model.latent_dim, model.hidden_dim, model.batch_size) == (20, 400, 128)
    assert model.encoder.count_params() == 784 * 400 + 400 + 2 * (400 * 20 + 20)
    assert model.decoder.count_params() == 20 * 400 + 400 + 400 * 784 + 784


def test_vae_starts_as_the_seeds_pytorch_layers_do():
    model = genzoo.get("vae", seed=0)
    model.build((None, 28, 28, 1))
    layers = [layer for network in (model.encoder, model.decoder) for layer in network.layers if layer.weights]
    for layer in layers:
        kernel, bias = layer.get_weights()
        bound = torch.nn.Linear(*kernel.shape).weight.abs().max().item()
        assert np.abs(kernel).max() == pytest.approx(bound, rel=0.02)
        assert 0.5 * bound < np.abs(bias).max() <= 1.001 * kernel.shape[0] ** -0.5


def test_dcgan_is_the_tutorials():
    model = genzoo.get("dcgan")
    model.build((None, 28, 28, 1))
    assert (model.latent_dim, model.batch_size) == (100, 256)
    assert model.generator.count_params() == 2_330_944  # as the TensorFlow tutorial's summary prints
    assert model.discriminator.count_params() == 212_865


@pytest.mark.parametrize("shape", [(30, 28, 1), (28, 9, 1)], ids=str)
def test_dcgan_refuses_sizes_that_four_does_not_divide(shape):
    model = genzoo.get("dcgan")
    with pytest.raises(ValueError, match=r"divisible by 4.*Received: image shape .*for example to"):
        model.fit(np.zeros((4, *shape), "uint8"), verbose=0)
    assert not model.built


@pytest.mark.skipif(
    keras.config.backend() == "tensorflow", reason="TensorFlow has no channels_first convolutions on CPU"
)
def test_channels_first(name):
    keras.config.set_image_data_format("channels_first")
    try:
        model = small(name)
        model.fit(np.zeros((4, 3, 8, 12), "uint8"), verbose=0)
        assert model.sample(2, seed=0).shape == (2, 3, 8, 12)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_vae_loss_is_the_negative_elbo_in_nats(images):
    model = small("vae")
    model.fit(images[0], verbose=0)
    scores = model.evaluate(images[0], verbose=0, return_dict=True)
    assert scores["loss"] == pytest.approx(scores["reconstruction_loss"] + scores["kl_loss"], rel=1e-5)
    mean, log_variance = (ops.convert_to_numpy(t) for t in model.encoder(images[0].astype("float32") / 255))
    kl = 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=1).mean()
    assert scores["kl_loss"] == pytest.approx(kl, rel=1e-4)


@pytest.mark.slow
def test_vae_on_fashion_mnist_reaches_the_seeds_elbo(mnist_dir):
    model = genzoo.get("vae", seed=0)
    train, test = (genzoo.data.load("fashion_mnist", split, data_dir=mnist_dir) for split in ("train", "test"))
    model.fit(train, epochs=10, verbose=0)
    score = model.evaluate(test, verbose=0, return_dict=True)["loss"]
    print(f"negative ELBO on Fashion-MNIST, {keras.config.backend()}: {score:.2f}")
    assert score <= 245
