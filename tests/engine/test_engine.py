"""The engine: what a step, its phases and its failures do, on every backend."""

import keras
import numpy as np
import pytest
from backends import beside
from processes import run_python
from toys import BATCH, ToyGAN, ToyOverlap

from genzoo import engine


def test_compiled_equals_eager(data):
    def trained(**options):
        model = ToyGAN(seed=0)
        model.compile(**options)
        model.fit(*data, batch_size=BATCH, verbose=0)
        return model.get_weights()

    for compiled, eager in zip(trained(), trained(run_eagerly=True), strict=True):
        np.testing.assert_allclose(compiled, eager, atol=1e-6)


def test_steps_per_execution_changes_nothing(data):
    def trained(steps):
        model = ToyGAN(seed=0)
        model.compile(steps_per_execution=steps)
        model.fit(*data, batch_size=BATCH, verbose=0)
        return model.get_weights()

    for one, four in zip(trained(1), trained(4), strict=True):
        np.testing.assert_allclose(one, four, atol=1e-6)


def test_input_gradient_equals_the_closed_form():
    x = keras.ops.convert_to_tensor(np.random.default_rng(0).standard_normal((4, 3)).astype("float32"))
    gradient = keras.ops.convert_to_numpy(engine.input_gradient(lambda x: keras.ops.sum(x**3, axis=1), x))
    np.testing.assert_allclose(gradient, 3 * keras.ops.convert_to_numpy(x) ** 2, rtol=1e-5)


def test_players_that_share_a_network_keep_moments_of_their_own():
    model = ToyOverlap(seed=0)
    x, y = np.random.default_rng(0).random((24, 2, 2, 1), dtype="float32"), np.zeros(24)
    model.fit(x, y, verbose=0)
    autoencoder, prior = model.optimizer["autoencoder"], model.optimizer["prior"]
    assert [int(o.iterations) for o in (autoencoder, prior, model.optimizer)] == [3, 3, 3]
    encoder, decoder = model.encoder.trainable_variables, model.decoder.trainable_variables
    assert [id(v) for v in model.optimizer.variables_of("autoencoder")] == [id(v) for v in (*encoder, *decoder)]
    assert [id(v) for v in model.optimizer.variables_of("prior")] == [id(v) for v in encoder]
    for optimizer in (autoencoder, prior):
        assert all(np.any(keras.ops.convert_to_numpy(v)) for v in optimizer.variables)


class Phases(ToyGAN):
    """Reports what dropout and batch normalisation do in each phase."""

    logs = {"dropped": "share of units that dropout zeroed"}

    def build_networks(self, image_shape):
        super().build_networks(image_shape)
        self.discriminator = keras.Sequential(
            [keras.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
        )
        self.drop = keras.Sequential([keras.Input((100,)), keras.layers.Dropout(0.5)])

    def step(self, x, y=None):
        self.log("dropped", keras.ops.mean(keras.ops.cast(self.drop(keras.ops.ones((8, 100))) == 0, "float32")))
        super().step(x, y)


def test_layers_train_in_fit_and_infer_in_evaluate(data):
    model = Phases(seed=0)
    x, y = data[0][:BATCH], data[1][:BATCH]
    model.build((None, 2, 2, 1))
    norm = model.discriminator.layers[0]
    start = keras.ops.convert_to_numpy(norm.moving_mean)
    assert model.evaluate(x, y, verbose=0, return_dict=True)["dropped"] == 0
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(norm.moving_mean), start)
    history = model.fit(x, y, verbose=0).history
    assert 0.4 < history["dropped"][0] < 0.6
    assert np.abs(keras.ops.convert_to_numpy(norm.moving_mean) - start).min() > 0


def test_metrics_average_over_images_not_batches():
    model = ToyOverlap(seed=0)
    x = np.random.default_rng(0).random((20, 2, 2, 1), dtype="float32")
    scores = model.evaluate(x, np.zeros(20), batch_size=8, return_dict=True, verbose=0)
    codes = model.encode(x)
    np.testing.assert_allclose(scores["code_size"], np.mean(codes**2), rtol=1e-5)
    np.testing.assert_allclose(scores["prior_loss"], np.mean(codes**2), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda self: self.log("kl", 0.0), "Unknown metric.*'kl'.*Known: code_size.*Declare it in Broken.logs"),
        (lambda self: self.minimize(lambda: 0.0, "critic"), "Unknown player.*'critic'.*Known: autoencoder, prior"),
    ],
)
def test_a_step_that_names_what_does_not_exist_is_told_so(call, message):
    class Broken(ToyOverlap):
        def step(self, x, y=None):
            call(self)

    with pytest.raises(ValueError, match=message):
        Broken().fit(np.zeros((4, 2, 2, 1), "float32"), np.zeros(4), verbose=0)


@pytest.mark.parametrize("verb", ["fit", "evaluate", "predict"])
def test_a_step_that_raises_leaves_the_weights(data, verb):
    class Moody(ToyOverlap):
        moody = False

        def encode_step(self, x):
            if self.moody:
                raise RuntimeError("not today")
            return super().encode_step(x)

        def step(self, x, y=None):
            self.encode_step(x)
            super().step(x, y)

    model, x, y = Moody(seed=0), data[0], np.zeros(len(data[0]))
    model.fit(x, y, verbose=0)
    before = model.get_weights()
    model.moody = True
    model.compile(model.optimizer)  # traces anew
    with pytest.raises(RuntimeError, match="not today"):
        model.predict(x, verbose=0) if verb == "predict" else getattr(model, verb)(x, y, verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.moody = False
    model.compile(model.optimizer)
    model.fit(x, y, verbose=0)


TWO_REPLICAS = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from toys import LATENT, ToyGAN

rng = np.random.default_rng(0)
x, y = rng.random((16, 2, 2, 1), dtype="float32"), rng.standard_normal((16, 2, LATENT)).astype("float32")

def trained(strategy):
    with strategy.scope():
        model = ToyGAN(seed=0)
        model.build((None, 2, 2, 1))
        model.compile()
    FIT
    return model.get_weights()

one = trained(tf.distribute.OneDeviceStrategy("CPU:0"))
for a, b in zip(one, trained(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-6)
"""


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="tf.distribute belongs to TensorFlow")
@pytest.mark.parametrize(
    "fit",
    [
        "model.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(8), verbose=0)",
        "model.fit(x, y, batch_size=8, validation_data=(x, y), verbose=0); "
        "assert np.isfinite(model.evaluate(x, y, batch_size=8, verbose=0)).all()",
    ],
    ids=["data set", "arrays"],
)
def test_two_replicas_train_the_weights_of_one(fit):  # the script asserts
    run_python(TWO_REPLICAS.replace("FIT", fit), hidden=beside("tensorflow"), KERAS_BACKEND="tensorflow")
