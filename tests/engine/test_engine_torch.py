"""Recorded steps on PyTorch: they are replayed, equal eager ones, and give way where a step cannot be recorded."""

import keras
import numpy as np
import pytest
from toys import LATENT, ToyGAN

import genzoo
from genzoo import registry
from genzoo.testing.subjects import Subject

torch = pytest.importorskip("torch", reason="needs torch")
if keras.config.backend() == "torch":
    from genzoo.engine.torch.recording import Recorded

pytestmark = pytest.mark.skipif(keras.config.backend() != "torch", reason="recordings belong to PyTorch")

BATCH = 4


@pytest.fixture(autouse=True)
def _early_recordings(monkeypatch):
    monkeypatch.setattr(Recorded, "eager_calls", 1)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.random((22, 2, 2, 1), dtype="float32"), rng.standard_normal((22, 2, LATENT)).astype("float32")


class Counting(ToyGAN):
    """Counts how often Python runs its step."""

    played = 0

    def step(self, x, y=None):
        self.played += 1
        super().step(x, y)


class Reading(Counting):
    """Looks at a value in the middle of its step."""

    def step(self, x, y=None):
        super().step(x, y)
        self.last = float(keras.ops.convert_to_numpy(keras.ops.mean(x)))
        if self.last > 0.5:
            self.minimize(lambda: keras.ops.square(self.discriminator(keras.ops.reshape(x, (-1, 4)))), "discriminator")


def trained(model, data, epochs=3, **options):
    model.compile(options.pop("optimizer", None), **options)
    history = model.fit(*data, batch_size=BATCH, epochs=epochs, verbose=0).history
    return [*model.get_weights(), *(keras.ops.convert_to_numpy(v) for v in model.optimizer.variables)], history


def assert_same(mine, theirs):
    for a, b in zip(mine[0], theirs[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert mine[1] == theirs[1]


def test_a_step_is_played_once_and_recorded_once_per_batch_size(data):
    model = Counting(seed=0)
    trained(model, data)  # 18 steps, of batches of 4 and of 2
    assert model.played == 4
    model.evaluate(*data, batch_size=BATCH, verbose=0)
    assert model.played == 4 + 2 + 1  # the short batch came once
    model.compile()
    model.fit(*data, batch_size=BATCH, verbose=0)
    assert model.played == 7 + 2 + 1


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("name", genzoo.list_models())
def test_replays_equal_eager_steps(name, policy):
    cls = registry.spec(name).load()
    classes = {"num_classes": 3} if "num_classes" in cls.options() and "aae" not in name else {}
    subject = Subject(name, **classes)
    built_in = cls.__module__.startswith("genzoo.models.")  # these fit small images at their full size
    options = classes if built_in else subject.config
    data = subject.data(22)

    def run(**how):
        model, played = genzoo.get(name, **{"seed": 0, "dtype": policy, **options}), []
        step = model.step
        model.step = lambda *batch: (played.append(0), step(*batch))
        return trained(model, data, epochs=2, **how), len(played)

    (recorded, played), (eager, steps) = run(), run(run_eagerly=True)
    assert (played, steps) == (4, 12)
    assert_same(recorded, eager)


def test_a_step_that_reads_values_stays_eager_and_right(data):
    model, eager = Reading(seed=0), Reading(seed=0)
    assert_same(trained(model, data), trained(eager, data, run_eagerly=True))
    assert model.last == eager.last
    assert model.played == 18 + 2  # the failed recordings


class Foreign(Counting):
    """An operation that is wrong about its result: what it returns lies otherwise in memory."""

    def step(self, x, y=None):
        super().step(keras.ops.expand_dims(torch.ops.genzoo_test.halved.default(x[..., 0]), 3), y)


def test_a_step_that_a_trace_does_not_foretell_is_recorded_as_it_runs(data):
    library = torch.library.Library("genzoo_test", "FRAGMENT")
    library.define("halved(Tensor x) -> Tensor")
    library.impl("halved", torch.empty_like, "Meta")
    library.impl("halved", lambda x: (x / 2).mT.contiguous().mT, "CPU")
    model, eager = Foreign(seed=0), Foreign(seed=0)
    assert_same(trained(model, data), trained(eager, data, run_eagerly=True))
    assert (model.played, eager.played) == (2 * (1 + 2), 18)  # per batch size: eagerly, in vain, and recorded


class Stock(ToyGAN):
    """Dropout and noise of Keras, whose seeds are read as numbers."""

    def build_networks(self, image_shape):
        super().build_networks(image_shape)
        self.discriminator.add(keras.layers.Dropout(0.5))

    def step(self, x, y=None):
        super().step(x + 0.1 * keras.random.normal(x.shape, seed=self.seed_generator), y)


def test_a_step_with_the_random_numbers_of_keras_stays_eager_and_right(data):
    assert_same(trained(Stock(seed=0), data), trained(Stock(seed=0), data, run_eagerly=True))


@pytest.mark.parametrize(
    "options",
    [
        {"gradient_accumulation_steps": 2},
        {"global_clipnorm": 0.1},
        {"use_ema": True, "ema_overwrite_frequency": 3},
        {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)},
    ],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.RMSprop])
def test_every_optimizer_trains_as_in_eager_steps(data, optimizer, options):
    def run(**how):
        return trained(ToyGAN(seed=0), data, optimizer=optimizer(**options), **how)

    assert_same(run(), run(run_eagerly=True))


def test_callbacks_reach_a_recorded_step(data):
    class Lower(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            assert all(isinstance(value, float) for value in logs.values())
            self.model.optimizer.learning_rate = 0.1 / (1 + batch)

    def run(**how):
        model = ToyGAN(seed=0)
        model.compile(**how)
        model.fit(*data, batch_size=BATCH, epochs=2, verbose=0, callbacks=[Lower()])
        return model.get_weights(), None

    assert_same(run(), run(run_eagerly=True))


def test_weights_that_are_set_between_steps_are_the_ones_that_train(data):
    def run(**how):
        model = ToyGAN(seed=0)
        model.compile(**how)
        model.fit(*data, batch_size=BATCH, verbose=0)
        model.set_weights([0.5 * w for w in model.get_weights()])
        model.fit(*data, batch_size=BATCH, verbose=0)
        return model.get_weights(), None

    assert_same(run(), run(run_eagerly=True))


def test_an_error_of_the_step_comes_in_its_own_words(data):
    class Late(Counting):
        def step(self, x, y=None):
            super().step(x, y)
            if self.played > 1:
                self.minimize(lambda: 0.0, "critic")

    model = Late(seed=0)
    model.compile()
    with pytest.raises(ValueError, match="Unknown player"):
        model.fit(data[0][:8], data[1][:8], batch_size=BATCH, verbose=0)


def test_a_train_step_of_ones_own_runs_every_time(data):
    class Own(Counting):
        def train_step(self, batch):
            self.steps = getattr(self, "steps", 0) + 1
            return super().train_step(batch)

    model = Own(seed=0)
    trained(model, data)
    assert model.steps == model.played == 18


def test_jit_compile_is_torch_compile(data, monkeypatch):
    compiled = []
    monkeypatch.setattr("torch.compile", lambda fn: compiled.append(fn) or fn)
    model = Counting(seed=0)
    trained(model, data, jit_compile=True)
    assert len(compiled) == 1
    assert model.played == 18


def test_short_and_endless_epochs_read_the_batches_of_full_ones(data):
    def run(**how):
        model = ToyGAN(seed=0)
        model.compile()
        model.fit(*data, batch_size=BATCH, verbose=0, **how)
        return model.get_weights(), None

    assert_same(run(epochs=2), run(epochs=4, steps_per_epoch=3))


def test_several_steps_per_execution_predict_as_one_does(data):
    def run(steps):
        model = ToyGAN(seed=0)
        model.compile(steps_per_execution=steps)
        model.fit(data[0][:16], data[1][:16], batch_size=BATCH, verbose=0)
        return model.predict(data[1][:16, 0], batch_size=BATCH, verbose=0)

    np.testing.assert_array_equal(run(1), run(2))


def test_verbs_replay_what_they_run_eagerly(data):
    model = genzoo.get("vae", seed=0)
    model.fit(np.zeros((4, 8, 8, 1), "uint8"), verbose=0)
    z = np.random.default_rng(0).standard_normal((8, model.latent_dim))
    first, second, third = (model.decode(z, batch_size=8) for _ in range(3))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(second, third)
    model.set_weights([w + 0.1 for w in model.get_weights()])
    moved = model.decode(z, batch_size=8)
    assert not np.array_equal(moved, third)
    np.testing.assert_array_equal(moved[:4], model.decode(z[:4], batch_size=4))


def test_verbs_record_few_sizes(monkeypatch):
    sizes, call = set(), Recorded.__call__
    monkeypatch.setattr(Recorded, "__call__", lambda self, z: sizes.add(len(z)) or call(self, z))
    model = genzoo.get("vae", hidden_dim=8, latent_dim=2, seed=0)
    model.build((None, 8, 8, 1))
    z = np.random.default_rng(0).standard_normal((16, 2))
    whole = model.decode(z, batch_size=8)
    for n in range(9, 17):  # of which the second batch has 1 to 8
        np.testing.assert_allclose(model.decode(z[:n], batch_size=8), whole[:n], atol=1e-6)
    assert sizes == {1, 2, 4, 8}


def test_images_that_lie_otherwise_in_memory_are_the_same_images(data):
    def run(x):
        model = genzoo.get("vae", hidden_dim=8, latent_dim=2, seed=0)
        for images in (data[0][:BATCH],) * 3 + (x,):
            model.train_on_batch(images)
        return model.get_weights()

    x = data[0][:BATCH].repeat(3, axis=3)
    strided = np.ascontiguousarray(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)[..., :1]
    assert not strided.flags.c_contiguous
    for a, b in zip(run(strided), run(np.ascontiguousarray(strided)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_constant_that_is_changed_through_a_view_starts_anew_at_every_replay():
    def counted(x):
        count = torch.tensor([0.0, 0.0])
        count[0] += x.mean()
        count.view(1, 2).add_(1.0)
        return [count]

    recorded = Recorded(counted, state=list)
    for _ in range(5):
        np.testing.assert_array_equal(recorded(torch.ones(3))[0].numpy(), [2, 1])


def test_labels_that_no_tensor_holds_are_left_alone(data):
    model = genzoo.get("vae", hidden_dim=8, latent_dim=2, seed=0)
    losses = [model.train_on_batch(data[0][:BATCH], np.array(list("abcd"))) for _ in range(4)]
    assert np.isfinite(losses).all()
