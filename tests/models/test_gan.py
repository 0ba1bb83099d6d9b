"""What the GAN family adds to the table: objectives, penalties, averages, spectral norms, labels, distributions."""

import keras
import numpy as np
import places
import pytest
from keras import ops
from scipy import stats

import genzoo
from genzoo import layers, losses
from genzoo.model import GenerativeModel


def small(name, **config):
    sizes = {"filters": 4} if "dcgan" in name else {"hidden_dim": 60}
    sizes |= {"num_classes": 10} if name in ("cgan", "cdcgan") else {}
    return genzoo.get(name, **{"latent_dim": 4, "seed": 0, **sizes, **config})


def trained(model, images, epochs=1):
    model.fit(images[0][:16], images[1][:16], batch_size=8, epochs=epochs, verbose=0)
    return model


def numpy_weights(network):
    return [np.array(ops.convert_to_numpy(w)) for w in network.weights]


@pytest.mark.parametrize("objective", losses.OBJECTIVES)
def test_every_objective_trains_with_its_own_losses(objective, images):
    config = {"penalty": "r1"} if objective == "wasserstein" else {}  # which needs a bounded slope
    model = small("gan", objective=objective, dropout=0.0, **config)
    x = images[0][:8]
    at_zero = {"minimax": (1.386, -0.693), "non-saturating": (1.386, 0.693), "least-squares": (0.5, 0.5)}
    expected = {**at_zero, "hinge": (2, 0), "wasserstein": (0, 0)}[objective]
    start = model.test_on_batch(x, return_dict=True)  # the small initial weights give logits near 0
    np.testing.assert_allclose([start["discriminator_loss"], start["generator_loss"]], expected, atol=0.01)
    model = small(
        "gan", objective=objective, activation="leaky-relu", dropout=0.0, **config
    )  # with weights that learn at once
    model.compile(keras.optimizers.SGD(0.01))
    logs = [model.train_on_batch(x, return_dict=True) for _ in range(20)]
    assert np.isfinite([[*each.values()] for each in logs]).all()
    assert logs[-1]["discriminator_loss"] < logs[0]["discriminator_loss"]


TOGETHER = {
    "gradient-penalty": {"objective": "wasserstein", "discriminator_steps": 2},
    "r1": {"spectral_norm": True, "label_smoothing": 0.1, "ema_decay": 0.9},
    "dragan": {"objective": "hinge"},
}


@pytest.mark.parametrize(
    ("name", "penalty"),  # each penalty with labels and without, dense and convolutional
    [
        ("gan", "gradient-penalty"),
        ("cdcgan", "gradient-penalty"),
        ("gan", "r1"),
        ("cdcgan", "r1"),
        ("cgan", "dragan"),
        ("dcgan", "dragan"),
    ],
)
def test_options_work_together_and_survive_a_file(name, penalty, images, tmp_path):
    config = {"penalty": penalty, **TOGETHER[penalty]}
    model = trained(small(name, **config), images)
    model.save(tmp_path / "model.keras")
    loaded = genzoo.load(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded.sample(4, seed=0), model.sample(4, seed=0))
    for a, b in zip(numpy_weights(trained(loaded, images)), numpy_weights(trained(model, images)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_penalty_enters_the_discriminators_loss(images):
    x = images[0][:8]
    plain, penalised = (small("gan", dropout=0.0, **c) for c in ({}, {"penalty": "r1", "penalty_weight": 10.0}))
    for model in (plain, penalised):
        model.build((None, 8, 8, 1))
        model.discriminator.set_weights([10 * w for w in model.discriminator.get_weights()])
    expected = 10 * losses.r1_penalty(penalised.discriminator, ops.convert_to_tensor(x.astype("float32") / 255))
    scores = [m.test_on_batch(x, return_dict=True)["discriminator_loss"] for m in (plain, penalised)]
    assert scores[1] - scores[0] == pytest.approx(float(ops.convert_to_numpy(ops.stop_gradient(expected))), rel=0.05)
    assert scores[1] > scores[0]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"objective": "wassertein"}, "Unknown `objective`.*Did you mean 'wasserstein'"),
        ({"objective": None}, "`objective` must be one of"),
        ({"penalty": "gp"}, "Unknown `penalty`.*'gp'"),
        ({"penalty_weight": 0, "penalty": "r1"}, "`penalty_weight` must be a number above 0"),
        ({"penalty_weight": 1.0}, "`penalty_weight` goes with .*Received: penalty_weight=1.0 without it"),
        ({"discriminator_steps": 0}, "`discriminator_steps` must be an integer of at least 1"),
        ({"label_smoothing": 1.0}, r"`label_smoothing` must be a number in \[0, 1\)"),
        ({"label_smoothing": 0.1, "objective": "hinge"}, "'hinge' objective has no target for real images to smooth"),
        ({"label_smoothing": 0.1, "objective": "wasserstein"}, "no target for real images to smooth"),
        ({"objective": "wasserstein"}, "'wasserstein' objective needs a critic of bounded slope.*gradient-penalty"),
        ({"spectral_norm": "yes"}, "`spectral_norm` must be True or False. Received: spectral_norm='yes'"),
        ({"ema_decay": 1.0}, r"`ema_decay` must be a number in \[0, 1\)"),
        ({"ema_decay": float("nan")}, r"`ema_decay` must be a number in \[0, 1\)"),
        ({"updates": "at once"}, "Unknown `updates`"),
        ({"updates": "simultaneous", "discriminator_steps": 2}, "`updates` goes with discriminator_steps=1"),
        ({"updates": "simultaneous", "penalty": "r1"}, "`penalty` goes with alternating updates or shared fakes"),
        ({"beta": 4}, "Unknown option of 'gan'. Received: 'beta'"),
    ],
)
def test_wrong_options_are_refused_by_name(config, message):
    with pytest.raises(ValueError, match=message):
        genzoo.get("gan", **config)


def test_wgan_gp_and_lsgan_have_their_papers_settings():
    wgan, lsgan = genzoo.get("wgan-gp"), genzoo.get("lsgan")
    assert (wgan.objective, wgan.penalty, wgan.penalty_weight) == ("wasserstein", "gradient-penalty", 10.0)
    assert (wgan.discriminator_steps, wgan.batch_size) == (5, 64)
    adam = wgan.optimizer["generator"].get_config()
    assert [adam[k] for k in ("beta_1", "beta_2")] == [0.0, 0.9]
    assert adam["learning_rate"] == pytest.approx(1e-4)
    assert (lsgan.objective, lsgan.penalty, lsgan.optimizer["generator"].beta_1) == ("least-squares", None, 0.5)


# Updates that share their work.


@pytest.fixture
def same_noise(monkeypatch):
    """Every draw of latents is the same, so that steps with new noise and with old can be compared."""
    z = np.random.default_rng(0).standard_normal((8, 4)).astype("float32")
    monkeypatch.setattr(GenerativeModel, "noise", lambda self, n: ops.convert_to_tensor(z))


def stepped(name, images, **config):
    """Trainable weights after one step on eight images, and the step's metrics."""
    rate = config.pop("discriminator_rate", 0.1)
    model = small(name, objective="least-squares", **config)
    sgd = keras.optimizers.SGD
    model.compile({"discriminator": sgd(rate), "generator": sgd(0.1)})
    logs = model.train_on_batch(images[0][:8], images[1][:8] if "c" in name[:1] else None, return_dict=True)
    networks = model.discriminator, model.generator
    return [[ops.convert_to_numpy(w) for w in network.trainable_weights] for network in networks], logs


def assert_close(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("name", ["gan", "cdcgan"])
def test_shared_fakes_are_algorithm_1_with_the_same_noise_twice(name, images, same_noise):
    config = {"penalty": "r1"} if name == "gan" else {}
    plain, logs = stepped(name, images, **config)
    shared, shared_logs = stepped(name, images, updates="shared-fakes", **config)
    for a, b in zip(plain, shared, strict=True):
        assert_close(a, b)
    assert shared_logs == pytest.approx(logs, abs=1e-5)


@pytest.mark.parametrize("name", ["gan", "cdcgan"])
def test_simultaneous_updates_start_from_the_same_weights(name, images, same_noise):
    (discriminator, _), logs = stepped(name, images, dropout=0.0)
    (_, generator), resting_logs = stepped(name, images, dropout=0.0, discriminator_rate=0.0)
    both, both_logs = stepped(name, images, dropout=0.0, updates="simultaneous")
    assert_close(both[0], discriminator)
    assert_close(both[1], generator)
    assert both_logs["discriminator_loss"] == pytest.approx(logs["discriminator_loss"], abs=1e-5)
    assert both_logs["generator_loss"] == pytest.approx(resting_logs["generator_loss"], abs=1e-5)
    if name == "cdcgan":  # the other's small initial weights hardly move
        assert not np.allclose(both[1][0], stepped(name, images, dropout=0.0)[0][1][0], atol=1e-7)


@pytest.mark.parametrize("updates", ["shared-fakes", "simultaneous"])
def test_updates_that_share_train_measure_and_average(updates, images):
    model = trained(small("dcgan", updates=updates, ema_decay=0.9, spectral_norm=True), images, epochs=2)
    before = numpy_weights(model)
    logs = model.evaluate(images[0][:8], return_dict=True, verbose=0)
    assert set(logs) == {"discriminator_loss", "generator_loss"}
    assert np.isfinite([*logs.values()]).all()
    for a, b in zip(before, numpy_weights(model), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [int(model.optimizer[player].iterations) for player in model.players] == [4, 4]


# Generator averages.


def test_samples_come_from_the_average_which_lags_behind(images):
    model = small("gan", ema_decay=0.5)
    model.build((None, 8, 8, 1))
    start = numpy_weights(model.generator)
    model.train_on_batch(images[0][:8])
    decay = min(0.5, 1 / 10)  # short at first: (1 + steps) / (10 + steps)
    for average, before, after in zip(
        numpy_weights(model.generator_ema), start, numpy_weights(model.generator), strict=True
    ):
        np.testing.assert_allclose(average, decay * before + (1 - decay) * after, atol=1e-6)
    z = ops.convert_to_tensor(np.ones((2, 4), "float32"))
    model.generator_ema.set_weights([2 * w for w in model.generator.get_weights()])
    np.testing.assert_allclose(model.decode(z), ops.convert_to_numpy(model.generator_ema(z)), atol=1e-6)
    assert not np.allclose(model.decode(z), ops.convert_to_numpy(model.generator(z)), atol=1e-4)


def test_evaluate_leaves_average_and_power_iteration_alone(images):
    model = trained(small("dcgan", ema_decay=0.9, spectral_norm=True), images)
    before = numpy_weights(model)
    model.evaluate(images[0][:8], verbose=0)
    for a, b in zip(before, numpy_weights(model), strict=True):
        np.testing.assert_array_equal(a, b)


# Spectral normalisation.


@pytest.mark.parametrize("make", [lambda: layers.SpectralDense(7), lambda: layers.SpectralConv2D(5, 3, strides=2)])
def test_the_kernels_spectral_norm_is_one_once_u_has_converged(make):
    layer, x = make(), np.random.default_rng(0).standard_normal((2, 6, 6, 4)).astype("float32")
    layer.build(x.shape)
    kernel = ops.convert_to_numpy(layer.weights[0])
    largest = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
    for _ in range(200):
        layers.power_iteration(layer)
    assert float(ops.convert_to_numpy(layer.sigma())) == pytest.approx(largest, rel=1e-3)
    np.testing.assert_allclose(ops.convert_to_numpy(layer.kernel), kernel / largest, atol=1e-3)
    plain = type(layer).__bases__[1].from_config(layer.get_config())
    plain.build(x.shape)
    plain.set_weights([kernel / largest, *[ops.convert_to_numpy(layer.bias)]])
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(plain(x)), atol=1e-3)


def test_u_moves_once_per_step(images):
    model = small("gan", spectral_norm=True, discriminator_steps=2)
    model.build((None, 8, 8, 1))
    layer = next(each for each in model.discriminator._flatten_layers() if isinstance(each, layers.SpectralDense))
    kernel, u = ops.convert_to_numpy(layer.weights[0]), ops.convert_to_numpy(layer.u)
    model.train_on_batch(images[0][:8])
    v = kernel @ u / np.linalg.norm(kernel @ u)
    expected = kernel.T @ v / np.linalg.norm(kernel.T @ v)
    np.testing.assert_allclose(ops.convert_to_numpy(layer.u), expected, atol=1e-5)


class OneLayer(GenerativeModel):
    players = {"layer": ("layer",)}

    def build_networks(self, image_shape):
        self.layer = layers.SpectralDense(3, use_bias=False)
        self.layer.build((None, 4))

    def default_optimizers(self):
        return {"layer": keras.optimizers.SGD(1.0)}

    def compute_loss(self, x=None, y=None):
        return ops.sum(ops.square(self.layer(ops.reshape(x, (-1, 4)))), axis=1)


def test_gradients_pass_through_sigma():
    """The layer does not change when its kernel is scaled, so the gradient is orthogonal to the kernel."""
    model = OneLayer(seed=0)
    model.build((None, 2, 2, 1))
    (before,) = numpy_weights(model.layer)[:1]
    model.train_on_batch(np.random.default_rng(0).random((5, 2, 2, 1), dtype="float32"))
    gradient = before - numpy_weights(model.layer)[0]
    assert np.abs(gradient).max() > 0.1
    assert abs(np.sum(gradient * before)) < 1e-3 * np.sum(np.abs(gradient * before))


# Labels.


@pytest.mark.parametrize("conditioning", ["projection", "concatenation"])
def test_the_discriminator_sees_the_label(conditioning, images):
    model = small("cdcgan", conditioning=conditioning)
    model.build((None, 8, 8, 1))
    x = ops.convert_to_tensor(images[0][:2].astype("float32") / 255)
    logits = [ops.convert_to_numpy(model.discriminate(x, ops.convert_to_tensor(y))) for y in ([3, 3], [4, 4])]
    assert logits[0].shape == (2, 1)
    assert not np.allclose(*logits)


def test_projection_is_the_inner_product_of_an_embedding_and_the_features(images):
    model = small("cdcgan", dropout=0.0)
    model.build((None, 8, 8, 1))
    (embedding,) = [w for w in model.discriminator.weights if w.shape[0] == 10]
    features = keras.Model(
        model.discriminator.inputs[0],
        next(layer for layer in model.discriminator.layers if isinstance(layer, keras.layers.Flatten)).output,
    )(images[0][:1].astype("float32") / 255)
    one = ops.convert_to_tensor(images[0][:1].astype("float32") / 255)
    logits = [ops.convert_to_numpy(model.discriminate(one, ops.convert_to_tensor([y])))[0, 0] for y in (3, 4)]
    rows = ops.convert_to_numpy(embedding)
    assert logits[0] - logits[1] == pytest.approx(ops.convert_to_numpy(features)[0] @ (rows[3] - rows[4]), abs=1e-4)


# Distributions that one can check: pixels are coordinates.


@pytest.fixture
def toy():
    return places.example("toy_distributions")


@pytest.mark.slow
def test_gan_recovers_a_gaussian_in_one_dimension(toy):
    x = toy.gaussian(4096, np.random.default_rng(0))
    (model,) = toy.gaussian_gan(x, (60,))
    samples = model.sample(4096, seed=0).ravel()
    distance = stats.ks_2samp(samples, x.ravel()).statistic
    print(f"1-D Gaussian, {keras.config.backend()}: {samples.mean():.3f}, {samples.std():.3f}, KS {distance:.3f}")
    assert samples.mean() == pytest.approx(toy.MEAN, abs=0.02)
    assert samples.std() == pytest.approx(toy.STD, rel=0.2)
    assert distance < 0.12
    # The discriminator cannot tell where there is data: D = 1/2, Goodfellow et al.'s proposition 1 at p_G = p.
    logits = ops.convert_to_numpy(model.discriminator(x[:500]))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), 0.5, atol=0.1)


@pytest.mark.slow
def test_gan_covers_eight_gaussians_on_a_ring(toy):
    (model,) = toy.ring_gan(toy.ring(20_000, np.random.default_rng(0)), (60,))
    distances = np.linalg.norm(model.sample(2000, seed=0).reshape(-1, 1, 2) - toy.CENTRES, axis=2)
    shares = np.bincount(distances.argmin(1), minlength=8) / 2000
    near = np.mean(distances.min(1) < 0.06)
    print(f"ring, {keras.config.backend()}: {near:.1%} near a centre, shares {np.round(shares, 3)}")
    assert near > 0.85
    assert shares.min() > 0.06
