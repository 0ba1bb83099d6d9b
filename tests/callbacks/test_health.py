"""The monitor finds each failure that is provoked here, is silent on healthy runs, and changes nothing."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy.spatial.distance import pdist, squareform
from small_models import CONFIG, small, train
from toys import ToyOverlap
from typer.testing import CliRunner

import genzoo
from genzoo.callbacks import HealthMonitor
from genzoo.callbacks.health import _distances
from genzoo.cli.app import app
from genzoo.data.batches import ImageBatches
from genzoo.experiments.runs import Run
from genzoo.testing.subjects import equal, state_of

EAGER = {"every": 1, "warmup": 0, "patience": 2}


@pytest.fixture(scope="module")
def digits():
    return genzoo.data.load("digits", batch_size=64, seed=0)


def kinds(monitor):
    return [finding.kind for finding in monitor.findings]


class RateAfter(keras.callbacks.Callback):
    """Sets the learning rate when so many epochs are done."""

    def __init__(self, epochs, rate):
        super().__init__()
        self.epochs, self.rate = epochs, rate

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epochs:
            self.model.optimizer.learning_rate = self.rate


# NaN.


def nan_vae():
    model = small("vae")
    model.compile(keras.optimizers.Adam(0.01))
    return model


def test_a_loss_that_is_not_finite_ends_training_with_the_last_good_epoch(images, capsys):
    x, _ = images
    good, model, monitor = nan_vae(), nan_vae(), HealthMonitor()
    good.fit(x, epochs=2, batch_size=8, verbose=0)
    history = model.fit(x, epochs=9, batch_size=8, verbose=0, callbacks=[monitor, RateAfter(2, 1e30)])
    assert len(history.epoch) == 3
    assert monitor.diverged
    assert kinds(monitor) == ["nan"]
    assert monitor.findings[0].epoch == 3
    printed = capsys.readouterr().out
    assert printed.count("training has stopped, and weights are as they were after epoch 2. Try a smaller") == 1
    model.optimizer.learning_rate = 0.01
    for one, other in zip(model.weights, good.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(one), ops.convert_to_numpy(other))
    for trained in (model, good):  # the optimizer's moments and the random state are those of the good epoch too
        trained.fit(x, epochs=3, initial_epoch=2, batch_size=8, verbose=0)
    assert equal(state_of(model), state_of(good))


def test_it_stops_at_the_batch_and_a_first_epoch_leaves_the_model_untrained(images):
    model, untrained, monitor = nan_vae(), nan_vae(), HealthMonitor(verbose=0)
    x = np.tile(images[0], (20, 1, 1, 1))
    untrained.build((None, 8, 8, 1))
    history = model.fit(x, batch_size=8, epochs=2, verbose=0, callbacks=[monitor, RateAfter(0, 1e30)])
    assert len(history.epoch) == 1
    assert "as they were at the start" in monitor.findings[0].sentence
    batch = int(monitor.findings[0].sentence.split("batch ")[1].split(":")[0])
    assert batch <= 4
    assert equal([w.copy() for w in model.get_weights()], untrained.get_weights())
    assert int(ops.convert_to_numpy(model.optimizer.iterations)) == 0
    assert np.isfinite(model.sample(3, seed=0)).all()


def test_a_run_keeps_its_files_as_they_were_before_it_diverged(images, tmp_path):
    batches = ImageBatches(*images, batch_size=8, seed=0)
    run = Run.create(tmp_path / "run", CONFIG)
    train(run, run.model(), batches, 2)
    assert not run.monitor.diverged
    run = Run.open(tmp_path / "run")
    model = run.model()
    model.optimizer.learning_rate = 1e30
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    train(run, model, batches, 5)
    assert run.monitor.diverged
    assert run.config["epochs_done"] == 2
    after = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert after == before
    assert Run.open(tmp_path / "run").model().sample(2, seed=0).shape == (2, 8, 8, 1)


def test_the_command_says_so_and_leaves_no_run_of_nothing(tmp_path):
    options = ["--set", "hidden_dim=16", "--set", "latent_dim=2", "--learning-rate", "1e30"]
    result = CliRunner().invoke(app, ["train", "vae", "--out", str(tmp_path / "run"), *options])
    assert isinstance(result.exception, ValueError)
    assert "Training diverged in epoch 1 of 10. No model was saved." in str(result.exception)
    assert "Try a smaller learning rate" in result.output
    assert not (tmp_path / "run").exists()


# What does not stop training.


def frozen_generator(name, **options):
    """A GAN whose generator makes the same image of all noise, and cannot learn."""
    model = small(name, **options)
    model.build((None, 8, 8, 1))
    optimizer = keras.optimizers.SGD(0.0)
    model.compile({"generator": optimizer})
    noise = model.generator.inputs[0]
    for layer in model.generator.layers:
        weights = layer.get_weights()
        if weights:  # large ones, so that images of two labels differ
            hears_noise = weights[0].shape[0] == noise.shape[1]
            layer.set_weights([0.0 * weights[0] if hears_noise else 30.0 * weights[0], *weights[1:]])
    return model


@pytest.mark.parametrize("name", ["gan", "cgan"])
def test_mode_collapse(name, digits, capsys):
    """The generator has one image, or one image per label, of which samples with labels have ten."""
    options = {"hidden_dim": 36, "latent_dim": 5} if name == "cgan" else {}
    model, monitor = frozen_generator(name, **options), HealthMonitor(**EAGER)
    model.fit(digits, epochs=5, verbose=0, callbacks=[monitor])
    assert kinds(monitor) == ["mode-collapse"]
    assert monitor.findings[0].epoch == 2
    assert monitor.measured[-1]["nearest"] < 1e-4
    assert (monitor.measured[-1]["between"] > 0.05) is (name == "cgan")
    assert capsys.readouterr().out.count("Samples are nearly alike") == 1


def test_a_discriminator_that_has_won(digits):
    model, monitor = small("gan", dropout=0.0), HealthMonitor(**EAGER)
    model.compile({"generator": keras.optimizers.SGD(0.0), "discriminator": keras.optimizers.Adam(0.01)})
    model.fit(digits, epochs=6, verbose=0, callbacks=[monitor])
    assert "discriminator-won" in kinds(monitor)
    assert monitor.measured[-1]["discriminator"] < 0.02
    sentence = next(f.sentence for f in monitor.findings if f.kind == "discriminator-won")
    assert "Try a smaller learning rate for the discriminator" in sentence


@pytest.mark.parametrize("objective", ["wasserstein", "smoothed"])
def test_what_winning_means_depends_on_the_objective(objective, digits):
    options = {"objective": objective, "spectral_norm": objective == "wasserstein"}
    if objective == "smoothed":
        options = {"label_smoothing": 0.1}
    model, monitor = small("gan", dropout=0.0, **options), HealthMonitor(**EAGER)
    model.compile({"generator": keras.optimizers.SGD(0.0), "discriminator": keras.optimizers.Adam(0.01)})
    logs = model.fit(digits, epochs=8, verbose=0, callbacks=[monitor]).history
    won = [finding for finding in monitor.findings if finding.kind == "discriminator-won"]
    if objective == "wasserstein":
        assert logs["discriminator_loss"][-1] < 0
        assert not won
        return
    floor = -(0.1 * math.log(0.1) + 0.9 * math.log(0.9)) if objective == "smoothed" else 0.0
    equilibrium = 2 * math.log(2)
    share = (logs["discriminator_loss"][-1] - floor) / (equilibrium - floor)
    assert monitor.measured[-1]["discriminator"] == pytest.approx(share, rel=1e-4, abs=1e-6)
    assert won


def test_posterior_collapse(digits):
    model, monitor = small("beta-vae", beta=1000.0), HealthMonitor(**EAGER)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(digits, epochs=6, verbose=0, callbacks=[monitor])
    assert "posterior-collapse" in kinds(monitor)
    assert monitor.measured[-1]["active_units"] == 0
    assert monitor.measured[-1]["kl_loss"] < 0.1


@keras.saving.register_keras_serializable("tests")
class OutOfRange(ToyOverlap):
    """A decoder whose tanh nobody has rescaled."""

    def decode_step(self, z, y=None):
        return ops.reshape(ops.tanh(10.0 * self.decoder(z)), (-1, 2, 2, 1))


def test_data_and_samples_out_of_range(images, capsys):
    x = images[0].astype("float32") / 255
    for data, words in (
        (x / 255, "divided by 255 once too often"),
        (np.full_like(x, 0.25), "All pixels of the images"),
    ):
        model, monitor = small("vae"), HealthMonitor()
        model.fit(data, epochs=2, batch_size=8, verbose=0, callbacks=[monitor])
        assert kinds(monitor) == ["data-range"]
        assert monitor.findings[0].epoch == 0
        assert capsys.readouterr().out.count(words) == 1
    monitor = HealthMonitor(**EAGER)
    OutOfRange(seed=0).fit(x[:, :2, :2], epochs=2, verbose=0, callbacks=[monitor])
    assert kinds(monitor)[0] == "data-range"
    assert "Let decode_step end in a sigmoid" in monitor.findings[0].sentence


# Silence.

HEALTHY = {
    "vae": ({"hidden_dim": 64, "latent_dim": 8}, {}),
    "gan": ({"hidden_dim": 64, "num_layers": 1, "latent_dim": 16}, {}),
    "aae": ({"hidden_dim": 64, "latent_dim": 4}, {"autoencoder": 5e-3, "discriminator": 1e-3, "generator": 1e-3}),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_silence_on_a_healthy_run(name, digits, capsys):
    options, rates = HEALTHY[name]
    model, monitor = genzoo.get(name, seed=0, **options), HealthMonitor(every=60, warmup=200)
    model.compile({player: keras.optimizers.Adam(rate) for player, rate in rates.items()})
    model.fit(digits, epochs=18, verbose=0, callbacks=[monitor])
    assert monitor.findings == []
    assert capsys.readouterr().out == ""
    assert len(monitor.measured) >= 3
    assert monitor.measured[-1]["between"] > 0.1  # what was silent about it has learnt something


@pytest.mark.slow
@pytest.mark.parametrize(("name", "epochs"), [("vae", 5), ("gan", 4), ("aae", 4)])
def test_silence_on_mnist(name, epochs, mnist_dir):
    model, monitor = genzoo.get(name, seed=0), HealthMonitor()
    data = genzoo.data.load("mnist", batch_size=model.batch_size, data_dir=mnist_dir)
    model.fit(data, epochs=epochs, verbose=0, callbacks=[monitor])
    print(name, keras.config.backend(), monitor.measured)
    assert monitor.findings == []
    assert monitor.measured


# What it sees and what it leaves alone.


@pytest.mark.parametrize("name", ["vae", "gan"])
def test_training_is_the_same_with_and_without(name, images):
    watched, alone = small(name), small(name)
    for model, callbacks in ((watched, [HealthMonitor(**EAGER, verbose=0)]), (alone, [])):
        for epoch in (0, 1):
            model.fit(*images, epochs=epoch + 1, initial_epoch=epoch, batch_size=8, verbose=0, callbacks=callbacks)
    assert equal(state_of(watched), state_of(alone))


def test_it_sees_what_fit_is_given(images):
    x, y = images[0], images[1]

    def generator():
        while True:
            yield x, y

    forms = {
        "arrays": ((x, y), {}),
        "batches": ((ImageBatches(x, y, batch_size=20),), {}),
        "generator": ((generator(),), {"steps_per_epoch": 1}),
    }
    measured = {}
    for form, (data, options) in forms.items():
        model, monitor = small("cvae"), HealthMonitor(**EAGER, verbose=0)
        model.fit(*data, batch_size=None if form != "arrays" else 20, verbose=0, callbacks=[monitor], **options)
        measured[form] = monitor.measured[0]
        np.testing.assert_array_equal(monitor._images, x.astype("float32") / 255)
        np.testing.assert_array_equal(monitor._labels, y)
    assert all({"between", "nearest", "active_units"} <= set(found) for found in measured.values())
    model, monitor = small("cvae"), HealthMonitor((x[:18], y[:18]), **EAGER, verbose=0)
    model.fit(x, y, verbose=0, callbacks=keras.callbacks.CallbackList([monitor], add_history=True, model=model))
    assert len(monitor._images) == 18


def test_looks_come_when_they_are_due(images):
    model, monitor = small("vae"), HealthMonitor(every=4, warmup=7, verbose=0)
    model.fit(images[0], epochs=6, batch_size=8, verbose=0, callbacks=[monitor])  # three steps an epoch
    assert [look["epoch"] for look in monitor.measured] == [3, 5]
    with pytest.raises(ValueError, match="`every` must be an integer of at least 1"):
        HealthMonitor(every=0)


def test_distances_are_those_of_scipy():
    images = np.random.default_rng(0).random((30, 4, 4, 1), dtype="float32")
    expected = squareform(pdist(images.reshape(30, -1), "sqeuclidean"))
    found = _distances(images)
    assert found["between"] == pytest.approx(expected.sum() / (30 * 29), rel=1e-5)
    assert found["nearest"] == pytest.approx(np.median(np.sort(expected, axis=1)[:, 1]), rel=1e-4)
