"""One table of checks over the whole registry, and what the papers fix for single models."""

import inspect
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from keras import ops

import genzoo
from genzoo import registry
from genzoo.batches import ImageBatches

MODELS = genzoo.list_models()
SMALL = {"hidden_dim": 16, "latent_dim": 4, "filters": 4, "num_samples": 5}
SMALLER = {"wgan-gp": {"discriminator_steps": 2}, "gan": {"hidden_dim": 60}, "cgan": {"hidden_dim": 120}}


def small(name, **config):
    """The model with the smallest networks that it offers."""
    options = registry.spec(name).load().options()
    smaller = {**{k: v for k, v in SMALL.items() if k in options}, **SMALLER.get(name, {})}
    return genzoo.get(name, **{"seed": 0, **smaller, **config})


def labels_for(model, y):
    """The argument that verbs of conditional models need."""
    return {"labels": y} if "conditional" in model.tags else {}


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


@pytest.fixture
def images(images):
    """Two whole batches of 8: every further batch shape would be one more compilation per model and check."""
    return images[0][:16], images[1][:16]


def test_fits_uint8_images_of_any_shape(name):
    x = np.random.default_rng(0).integers(0, 256, (3, 12, 8, 3), dtype="uint8")
    model = small(name)
    history = model.fit(x, np.arange(3), verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert_are_images(model.sample(2, seed=0), (12, 8, 3))


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (64, 64, 1)], ids=str)
def test_networks_fit_every_usual_size(name, shape):
    model = small(name)
    model.build((None, *shape))
    assert_are_images(model.sample(2, seed=0), shape)


def assert_are_images(images, shape):
    assert (images.shape, images.dtype) == ((2, *shape), np.float32)
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std() > 0


def test_partial_last_batch_and_history_keys(name, images):
    model, (x, y) = small(name), images
    history = model.fit(x[:12], y[:12], batch_size=8, epochs=2, verbose=0).history
    players = list(model.players)
    losses = ["loss"] if len(players) == 1 else [f"{player}_loss" for player in players]
    assert set(history) == {*losses, *model.logs}
    assert [m.name for m in model.metrics] == [*losses, *model.logs]
    assert all(len(values) == 2 and np.isfinite(values).all() for values in history.values())
    assert int(model.optimizer.iterations) == 4


def test_every_player_advances_and_moves_only_its_own_variables(name, images):
    model = small(name)
    model.build((None, *images[0].shape[1:]))
    rng = np.random.default_rng(0)
    for kernel in (v for v in model.trainable_variables if len(v.shape) > 1):
        # Some papers start so small that the first gradients round away.
        kernel.assign(rng.standard_normal(kernel.shape) / np.prod(kernel.shape[:-1]) ** 0.5)
    for player, networks in model.players.items():
        own = {id(v) for network in networks for v in getattr(model, network).trainable_variables}
        assert {id(v) for v in model.optimizer.variables_of(player)} == own
        before = {id(v): ops.convert_to_numpy(v) for v in model.trainable_variables}
        only_plays(model, player).fit(*images, batch_size=8, verbose=0)
        moved = {id(v) for v in model.trainable_variables if not np.array_equal(before[id(v)], ops.convert_to_numpy(v))}
        # A Wasserstein critic's loss is a difference of its outputs, in which its last bias cancels.
        idle = {id(model.discriminator.trainable_variables[-1])} if only_differences(model, player) else set()
        assert moved == own - idle
    for player in model.players:
        optimizer = model.optimizer[player]
        assert int(optimizer.iterations) == 2 * steps_of(model, player)
        still = [v for v in optimizer.variables if not np.any(ops.convert_to_numpy(v))]
        assert len(still) == (2 if only_differences(model, player) else 0)


def steps_of(model, player):
    return getattr(model, "discriminator_steps", 1) if player == "discriminator" else 1


def only_differences(model, player):
    return player == "discriminator" and getattr(model, "objective", None) == "wasserstein"


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
    model.evaluate(*images, batch_size=8, verbose=0)
    assert_equal(before, statistics())
    model.fit(*images, batch_size=8, verbose=0)
    assert all(not np.array_equal(a, b) for a, b in zip(before, statistics(), strict=True))


def test_evaluate_changes_nothing_and_repeats_itself(name, images):
    model = small(name)
    model.fit(*images, batch_size=8, verbose=0)
    before = state_of(model)
    first = model.evaluate(*images, batch_size=8, verbose=0, return_dict=True)
    assert first == model.evaluate(*images, batch_size=8, verbose=0, return_dict=True)
    model.test_on_batch(*(a[:8] for a in images))
    assert_equal(before, state_of(model))


def test_validation_does_not_touch_training(name, images):
    plain, validated, (x, y) = small(name), small(name), images
    plain.fit(*images, epochs=2, batch_size=8, verbose=0)
    history = validated.fit(*images, epochs=2, batch_size=8, validation_data=(x[:8], y[:8]), verbose=0).history
    assert {key for key in history if key.startswith("val_")} == {f"val_{m.name}" for m in validated.metrics}
    assert_equal(weights_of(plain), weights_of(validated))


def test_a_seed_fixes_everything_and_nothing_global_does(name, images):
    def trained(seed):
        model = small(name, seed=seed)
        model.fit(*images, batch_size=8, epochs=2, verbose=0)
        return weights_of(model)

    first = trained(1)
    keras.utils.set_random_seed(7)
    state = np.random.get_state()[1].copy()
    assert_equal(first, trained(1))
    np.testing.assert_array_equal(state, np.random.get_state()[1])
    starts = [small(name, seed=seed) for seed in (1, 2)]
    for model in starts:
        model.build((None, *images[0].shape[1:]))
    assert any(not np.array_equal(*pair) for pair in zip(*map(weights_of, starts), strict=True))


def test_set_random_seed_fixes_a_model_without_a_seed(name, images):
    def trained():
        keras.utils.set_random_seed(3)
        model = small(name, seed=None)
        model.fit(*images, batch_size=8, verbose=0)
        return weights_of(model)

    assert_equal(trained(), trained())


def test_samples_depend_on_their_seed_and_not_on_the_batch_size(name, images):
    model = small(name)
    model.fit(*images, batch_size=8, verbose=0)
    np.testing.assert_array_equal(model.sample(7, seed=1), model.sample(7, seed=1))
    np.testing.assert_allclose(model.sample(7, seed=1), model.sample(7, seed=1, batch_size=3), atol=1e-6)
    assert not np.array_equal(model.sample(7, seed=1), model.sample(7, seed=2))
    assert not np.array_equal(model.sample(7), model.sample(7))
    z = model.latents(7, np.random.default_rng(1))
    np.testing.assert_allclose(model.decode(z, **labels_for(model, np.arange(7))), model.sample(7, seed=1), atol=1e-6)


def test_encoder_verbs(name, images):
    model, (x, y) = small(name), images
    model.fit(x, y, batch_size=8, verbose=0)
    if "encoder" not in model.tags:
        for verb in (model.encode, model.reconstruct):
            with pytest.raises(NotImplementedError, match=f"{type(model).__name__} has no encoder"):
                verb(x)
        return
    labels = labels_for(model, y)
    z = model.encode(x, **labels)
    assert (z.shape, z.dtype) == ((16, model.latent_dim), np.float32)
    np.testing.assert_allclose(model.encode(x / 255, **labels), z, atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(x, **labels), model.decode(z, **labels), atol=1e-5)
    inputs = [x, y] if labels else x
    np.testing.assert_allclose(model.predict(inputs, verbose=0), model.decode(z, **labels), atol=1e-5)


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

    tensors = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
    forms = {
        "uint8": (x, y),
        "float32": ((x / 255).astype("float32"), y),
        "float64": (x / 255, y),
        "list": (list(x), list(y)),
        "backend tensor": (ops.convert_to_tensor(x), ops.convert_to_tensor(y)),
        "dict of arrays": ({"image": x, "label": y},),
        "genzoo.data": (ImageBatches(x, y, 8, shuffle=False),),
        "PyDataset": (Batches(),),
        "DataLoader": (torch.utils.data.DataLoader(tensors, 8),),
        "DataLoader of dicts": (torch.utils.data.DataLoader([{"image": i, "label": j} for i, j in tensors], 8),),
        "tuple of arrays": ((x, y),),
        "generator": (generator(),),
        "generator of dicts": (
            batch for batch in [{"image": x[i : i + 8], "label": y[i : i + 8]} for i in range(0, 16, 8)]
        ),
    }
    unlabelled = {
        "x alone": (x,),
        "DataLoader of tensors": (torch.utils.data.DataLoader(tensors.tensors[0], 8),),
        "generator of x": (batch for batch in [x[i : i + 8] for i in range(0, 16, 8)]),
    }
    if keras.config.backend() == "tensorflow":  # importing it costs the other backends seconds
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


def test_bool_images_are_zeros_and_ones(name, images):
    model, x, y = small(name), images[0][:8] > 127, images[1][:8]
    assert model.test_on_batch(x, y) == model.test_on_batch(x.astype("float32"), y)


def test_mixed_bfloat16_trains_in_bfloat16_with_float32_weights(name, images):
    model = small(name, dtype="mixed_bfloat16")
    history = model.fit(*images, batch_size=8, verbose=0).history
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


def test_options_out_of_range_are_refused_by_name(name):
    options = registry.spec(name).load().options()
    for option in {"latent_dim", "hidden_dim", "filters", "num_samples", "num_classes", "dropout"} & set(options):
        allowed = [0 if option == "dropout" else None, options[option]]
        for value in [v for v in (0, -1, 1.5, "many", True, None) if not any(v is a for a in allowed)]:
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
    model.fit(*images, batch_size=8, verbose=0)
    with pytest.raises(ValueError, match=r"built for images of shape \(8, 8, 1\). Received: \(12, 8, 1\)"):
        model.fit(np.zeros((4, 12, 8, 1), "uint8"), np.arange(4), verbose=0)


def test_what_fit_does_not_support_is_refused_by_name(name, images):
    model = small(name)
    with pytest.raises(ValueError, match="`sample_weight` is not supported"):
        model.fit(*images, sample_weight=np.ones(16))
    with pytest.raises(ValueError, match="`class_weight` is not supported"):
        model.fit(*images, class_weight={0: 1.0})
    with pytest.raises(ValueError, match="`validation_split` works on arrays"):
        model.fit((batch for batch in [images[0]]), validation_split=0.5)
    with pytest.raises(ValueError, match="`y` goes with an array"):
        model.fit((batch for batch in [images[0]]), images[1])


def test_labels_missing_where_needed_are_asked_for(name, images):
    x, y = images
    model = small(name)
    if model.label_ids is None:
        with pytest.raises(ValueError, match=f"{type(model).__name__} takes no labels"):
            model.sample(2, labels=1)
        return
    for data in (x, {"image": x}, (batch for batch in [x])):
        with pytest.raises(ValueError, match=rf"{type(model).__name__} needs labels.*Pass y to fit"):
            model.fit(data, verbose=0)
    for wrong, message in [
        (y + 1, "ids from 1 to 10.*`num_classes` of the model"),
        (np.eye(10)[y], r"shape \(16, 10\). Decode one-hot labels with y.argmax\(1\)"),
        (y / 2, "integer class ids.*float64"),
    ]:
        with pytest.raises(ValueError, match=rf"{type(model).__name__} takes labels.*{message}"):
            model.fit(x, wrong, verbose=0)
    assert not model.built
    model.fit(x, y, batch_size=8, verbose=0)
    np.testing.assert_array_equal(model.sample(3, labels=2, seed=0), model.sample(3, labels=[2, 2, 2], seed=0))
    assert not np.array_equal(model.sample(3, labels=2, seed=0), model.sample(3, labels=3, seed=0))
    for wrong, message in [(10, "from 10 to 10"), ([1, 2], "one for each of 3. Received: 2")]:
        with pytest.raises(ValueError, match=message):
            model.sample(3, labels=wrong)


def test_labels_change_nothing_where_the_model_takes_none(name, images):
    model, (x, y) = small(name), images
    if model.label_ids is None:
        assert model.test_on_batch(x) == model.test_on_batch(x, y)
    else:  # there they may also be a column, as Keras users often have them
        assert model.test_on_batch(x, y[:, None]) == model.test_on_batch(x, y)


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


def test_models_can_be_named_as_classes():
    assert genzoo.models.VAE is registry.spec("vae").load()
    with pytest.raises(AttributeError, match="VEA"):
        genzoo.models.VEA  # noqa: B018


@pytest.mark.parametrize("name", ["vae", "cdcgan", "aae"])  # one, two and three players, labels and none
def test_validation_split_is_the_end_of_the_data(name, images):
    model, manual, (x, y) = small(name), small(name), images
    split = model.fit(x, y, batch_size=8, validation_split=0.5, verbose=0).history
    by_hand = manual.fit(x[:8], y[:8], batch_size=8, validation_data=(x[8:], y[8:]), verbose=0).history
    assert split == by_hand


def test_train_on_batch_equals_fit_on_that_batch(name, images):
    one, other = small(name), small(name)
    batch = [a[:8] for a in images]
    logs = one.train_on_batch(*batch, return_dict=True)
    history = other.fit(*batch, shuffle=False, verbose=0).history
    assert {key: values[0] for key, values in history.items()} == pytest.approx(logs, rel=1e-6)
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("name", ["vae", "gan", "aae"])
def test_a_directly_constructed_model_trains_with_the_papers_settings(name, images):
    model = registry.spec(name).load()(seed=0)
    model.fit(*images, batch_size=8, verbose=0)
    for player, default in model.default_optimizers().items():
        assert model.optimizer[player].get_config()["learning_rate"] == default.get_config()["learning_rate"]


def test_docstring_has_its_sections(name):
    doc = registry.spec(name).load().__doc__
    for section in ("Args:", "Example:", "Deviations:", "Reference:", "@", "seed"):
        assert section in doc
    source = Path(inspect.getsourcefile(registry.spec(name).load()))
    assert len(source.read_text().splitlines()) <= 150


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
        model.fit(np.zeros((4, 3, 8, 12), "uint8"), np.arange(4), verbose=0)
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
