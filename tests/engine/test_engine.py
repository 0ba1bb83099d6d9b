"""The engine: one step written once equals a hand-written loop, on every backend."""

import keras
import numpy as np
import pytest
import torch
from processes import run_python
from torch.nn.functional import softplus
from toys import LATENT, ToyCritic, ToyGAN, ToyOverlap

from genzoo import engine

STEPS, BATCH = 20, 8


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    images = rng.random((STEPS * BATCH, 2, 2, 1), dtype="float32")
    return images, rng.standard_normal((STEPS * BATCH, 2, LATENT)).astype("float32")


class Adam:
    """Kingma and Ba (2015), Algorithm 1 in the efficient form of its section 2, as Keras has it.

    torch.optim.Adam puts epsilon elsewhere, which shows in the sixth digit where gradients are small.
    """

    def __init__(self, variables, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.variables, self.learning_rate, self.betas, self.epsilon = (
            variables,
            learning_rate,
            (beta_1, beta_2),
            epsilon,
        )
        self.moments = [(torch.zeros_like(v), torch.zeros_like(v)) for v in variables]
        self.t = 0

    @torch.no_grad()
    def step(self):
        self.t += 1
        beta_1, beta_2 = self.betas
        alpha = self.learning_rate * (1 - beta_2**self.t) ** 0.5 / (1 - beta_1**self.t)
        for variable, (m, v) in zip(self.variables, self.moments, strict=True):
            m.lerp_(variable.grad, 1 - beta_1)
            v.lerp_(variable.grad.square(), 1 - beta_2)
            variable -= alpha * m / (v.sqrt() + self.epsilon)


def torch_weights(model):
    return [torch.tensor(w, requires_grad=True) for w in model.get_weights()]


def torch_dense(weights):
    def network(x):
        return torch.tanh(x @ weights[0] + weights[1]) @ weights[2] + weights[3]

    return network


def torch_gan_step(generator, discriminator, x, noise, update):
    fake = generator(noise[:, 0]).detach()
    update("discriminator", softplus(-discriminator(x)).mean() + softplus(discriminator(fake)).mean())
    update("generator", softplus(-discriminator(generator(noise[:, 1]))).mean())


def torch_critic_step(generator, discriminator, x, noise, update):
    for i in (0, 1):
        fake = generator(noise[:, i]).detach()
        middle = ((x + fake) / 2).requires_grad_()
        slope = torch.autograd.grad(discriminator(middle).sum(), middle, create_graph=True)[0]
        penalty = ((slope.square().sum(1) + 1e-12).sqrt() - 1).square().mean()
        update("discriminator", discriminator(fake).mean() - discriminator(x).mean() + penalty)
    update("generator", -discriminator(generator(noise[:, 0])).mean())


def torch_loop(weights, step, images, noise, optimizer):
    """A hand-written torch loop over the same batches; returns the final weights."""
    generator, discriminator = weights[:4], weights[4:]
    players = {
        "generator": (generator, optimizer(generator)),
        "discriminator": (discriminator, optimizer(discriminator)),
    }

    def update(player, loss):
        variables, optimizer = players[player]
        for variable, gradient in zip(variables, torch.autograd.grad(loss, variables), strict=True):
            variable.grad = gradient
        optimizer.step()

    for i in range(STEPS):
        batch = slice(i * BATCH, (i + 1) * BATCH)
        x, z = torch.tensor(images[batch]).reshape(-1, 4), torch.tensor(noise[batch])
        step(torch_dense(generator), torch_dense(discriminator), x, z, update)
    return [w.detach().numpy() for w in weights]


@pytest.mark.parametrize(("model_class", "step"), [(ToyGAN, torch_gan_step), (ToyCritic, torch_critic_step)])
@pytest.mark.parametrize(
    ("optimizer", "reference"),
    [
        (keras.optimizers.SGD(0.02), lambda w: torch.optim.SGD(w, 0.02)),
        (keras.optimizers.Adam(0.01), lambda w: Adam(w, 0.01)),
    ],
    ids=["sgd", "adam"],
)
def test_twenty_steps_equal_a_hand_written_torch_loop(data, model_class, step, optimizer, reference):
    model = model_class(seed=0)
    model.build((None, 2, 2, 1))
    model.compile(optimizer)
    start, weights = model.get_weights(), torch_weights(model)
    model.fit(*data, batch_size=BATCH, shuffle=False, verbose=0)
    expected = torch_loop(weights, step, *data, reference)
    for before, mine, theirs in zip(start, model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
        if mine.ndim == 2:  # the bias of a critic cancels in its loss
            assert np.abs(mine - before).max() > 1e-3
    assert int(model.optimizer["discriminator"].iterations) == STEPS * (2 if model_class is ToyCritic else 1)


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


def test_only_what_runs_inside_minimize_is_differentiated():
    class Outside(ToyGAN):
        def step(self, x, y=None):
            fake = self.generator(y[:, 0])
            self.minimize(lambda: keras.ops.square(self.discriminator(fake)), "discriminator")
            self.minimize(lambda: keras.ops.square(self.generator(y[:, 0]) + 0.0 * fake), "generator")

    rng = np.random.default_rng(0)
    model = Outside(seed=0)
    x, y = rng.random((8, 2, 2, 1), dtype="float32"), rng.standard_normal((8, 2, LATENT)).astype("float32")
    model.build((None, 2, 2, 1))
    before = model.generator.get_weights()
    model.fit(x, y, verbose=0)
    reference = [torch.tensor(w, requires_grad=True) for w in before]
    loss = torch_dense(reference)(torch.tensor(y[:, 0])).square().mean()
    for old, new, gradient in zip(
        before, model.generator.get_weights(), torch.autograd.grad(loss, reference), strict=True
    ):
        np.testing.assert_allclose(new, old - 0.1 * gradient.numpy(), atol=1e-6)


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
import torch, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from processes import run_python
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
    run_python(TWO_REPLICAS.replace("FIT", fit), KERAS_BACKEND="tensorflow")
