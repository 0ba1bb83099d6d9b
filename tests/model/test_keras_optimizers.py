"""Every optimizer of Keras and every option moves a model's weights as it moves those of a plain Keras model."""

import keras
import numpy as np
import pytest
from keras import ops
from keras import optimizers as o
from small_models import small
from toys import dense

import genzoo
from genzoo.model import GenerativeModel


class Autoencoder(GenerativeModel):
    """Without noise, so that a plain Keras model can follow."""

    players = {"autoencoder": ("encoder", "decoder")}
    latent_dim = 2

    def build_networks(self, image_shape):
        self.encoder, self.decoder = dense(4, 2, "encoder"), dense(2, 4, "decoder")

    def default_optimizers(self):
        return {"autoencoder": o.SGD(0.1)}

    def compute_loss(self, x=None, y=None):
        x = ops.reshape(x, (-1, 4))
        return ops.mean(ops.square(self.decoder(self.encoder(x)) - x), axis=1)


class Wrapper(o.Optimizer):
    """A stranger's: another optimizer behind its own interface, as Keras' LossScaleOptimizer has one."""

    def __init__(self, inner):
        super().__init__(learning_rate=0.0)
        self.inner = inner

    def build(self, variables):
        self.inner.build(variables)
        super().build(variables)

    @property
    def variables(self):
        return [*super().variables, *self.inner.variables]

    def get_config(self):
        return {"inner": keras.saving.serialize_keras_object(self.inner)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["inner"]))


class Halving(Wrapper):
    """Overrides ``apply``."""

    def apply(self, grads, trainable_variables=None):
        self.inner.apply([gradient / 2 for gradient in grads], trainable_variables)
        self.iterations.assign_add(1)


class Doubling(o.SGD):
    """Overrides ``apply_gradients``, which Keras calls on TensorFlow."""

    def apply_gradients(self, grads_and_vars):
        return super().apply_gradients([(2 * gradient, variable) for gradient, variable in grads_and_vars])


class Signs(o.Adam):
    """Overrides ``update_step``."""

    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, ops.sign(gradient) * ops.cast(learning_rate, variable.dtype))


def excluding():
    optimizer = o.AdamW(0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def several():
    return o.MultiOptimizer(o.OptimizerMap(o.SGD(0.1), {"(.*/)?encoder/.*": o.Adam(0.01)}))


SETTINGS = {
    "SGD": lambda: o.SGD(0.1),
    "SGD, momentum": lambda: o.SGD(0.1, momentum=0.9),
    "SGD, Nesterov": lambda: o.SGD(0.1, momentum=0.9, nesterov=True),
    "Adam": lambda: o.Adam(0.01),
    "Adam, amsgrad": lambda: o.Adam(0.01, amsgrad=True),
    "AdamW, exclusions": excluding,
    "RMSprop, centered": lambda: o.RMSprop(0.01, momentum=0.5, centered=True),
    "Lion": lambda: o.Lion(0.01),
    "Adafactor": lambda: o.Adafactor(0.01),
    "Adagrad": lambda: o.Adagrad(0.1),
    "Adadelta": lambda: o.Adadelta(1.0),
    "Adamax": lambda: o.Adamax(0.01),
    "Nadam": lambda: o.Nadam(0.01),
    "Ftrl": lambda: o.Ftrl(0.1),
    "Lamb": lambda: o.Lamb(0.01),
    "Muon": lambda: o.Muon(0.01),
    "ScheduleFreeAdamW": lambda: o.ScheduleFreeAdamW(0.01),
    "accumulation": lambda: o.Adam(0.01, gradient_accumulation_steps=2),
    "accumulation, clipped": lambda: o.SGD(0.1, gradient_accumulation_steps=4, clipnorm=0.01),
    "average": lambda: o.SGD(0.1, use_ema=True, ema_momentum=0.5),
    "average, overwriting": lambda: o.Adam(0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2),
    "average, accumulation": lambda: o.SGD(0.1, use_ema=True, ema_momentum=0.5, gradient_accumulation_steps=2),
    "clipvalue": lambda: o.SGD(0.1, clipvalue=0.001),
    "clipnorm": lambda: o.SGD(0.1, clipnorm=0.01),
    "global_clipnorm": lambda: o.Adam(0.01, global_clipnorm=0.01),
    "weight_decay": lambda: o.SGD(0.1, weight_decay=0.5),
    "ExponentialDecay": lambda: o.Adam(o.schedules.ExponentialDecay(0.02, 2, 0.5)),
    "PiecewiseConstantDecay": lambda: o.SGD(o.schedules.PiecewiseConstantDecay([2, 5], [0.1, 0.01, 0.2])),
    "CosineDecay": lambda: o.SGD(o.schedules.CosineDecay(0.1, 8, warmup_target=0.2, warmup_steps=3), momentum=0.5),
    "loss_scale_factor": lambda: o.SGD(0.1, loss_scale_factor=1024.0),
    "loss_scale_factor, clipped": lambda: o.Adam(0.01, loss_scale_factor=1024.0, clipnorm=0.01),
    "MultiOptimizer": several,
    "overrides apply": lambda: Halving(o.SGD(0.1, momentum=0.9)),
    "overrides apply_gradients": lambda: Doubling(0.1),
    "overrides update_step": lambda: Signs(0.01),
}
STEPS = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}  # nine: PyTorch records the sixth


@pytest.mark.parametrize("setting", SETTINGS)
def test_weights_move_as_in_a_plain_keras_model(setting):
    x = np.random.default_rng(0).random((24, 2, 2, 1), dtype="float32")
    model = Autoencoder(seed=0)
    model.compile(SETTINGS[setting]())
    model.build((None, 2, 2, 1))
    plain = keras.Sequential([dense(4, 2, "encoder"), dense(2, 4, "decoder")])
    plain.compile(SETTINGS[setting](), "mse")
    plain.set_weights(model.get_weights())
    plain.optimizer.build(plain.trainable_variables)  # inside a step ScheduleFreeAdamW begins at 0 on TensorFlow
    before = model.get_weights()
    model.fit(x, **STEPS)
    plain.fit(x.reshape(-1, 4), x.reshape(-1, 4), **STEPS)
    for mine, keras_own in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, keras_own, atol=1e-6)
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_the_table_has_every_optimizer_of_keras():
    used = {type(make()) for make in SETTINGS.values()}
    kinds = {kind for kind in vars(o).values() if isinstance(kind, type) and issubclass(kind, o.Optimizer)}
    missing = {kind for kind in kinds if not any(issubclass(each, kind) for each in used)}
    assert missing == {o.LossScaleOptimizer}


def test_an_optimizer_that_scales_for_float16_is_refused():
    with pytest.raises(ValueError, match=r"LossScaleOptimizer.*'autoencoder'.*inner_optimizer"):
        small("vae").compile(o.LossScaleOptimizer(o.SGD()))


@pytest.mark.parametrize("name", ["vae", "lsgan"])
def test_exclusions_from_weight_decay_reach_every_player(name, images):
    optimizer = o.AdamW(0.0001, weight_decay=1000.0)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model = small(name)
    model.compile(optimizer)
    model.build((None, 8, 8, 1))
    for variable in model.trainable_variables:
        variable.assign(ops.full(variable.shape, 0.1))
    model.fit(images[0][:8], batch_size=8, verbose=0)
    for variable in model.trainable_variables:
        expected = 0.1 if "bias" in variable.name else 0.09
        assert ops.convert_to_numpy(variable).mean() == pytest.approx(expected, abs=0.002), variable.path


def test_several_optimizers_of_one_player_leave_frozen_layers_alone_or_say_that_they_cannot(images, tmp_path):
    model = small("vae")
    model.build((None, 8, 8, 1))
    model.encoder.trainable = False
    before = model.encoder.get_weights(), model.decoder.get_weights()
    model.compile(several())
    model.fit(images[0], batch_size=8, verbose=0)
    assert all((a == b).all() for a, b in zip(before[0], model.encoder.get_weights(), strict=True))
    assert all((a != b).any() for a, b in zip(before[1], model.decoder.get_weights(), strict=True))
    model.save(tmp_path / "model.keras")
    loaded = genzoo.load(tmp_path / "model.keras")
    for each in (model, loaded):
        each.fit(images[0], batch_size=8, verbose=0)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    layer = [layer for layer in model.decoder.layers if layer.trainable_weights][-1]
    layer.trainable = False
    with pytest.raises(ValueError, match=r"MultiOptimizer of 'autoencoder'.*frozen since\. Compile the model again"):
        model.fit(images[0], batch_size=8, verbose=0)
    layer.trainable = model.encoder.trainable = True
    with pytest.raises(ValueError, match=r"do not know all weights of `encoder`.*model\.compile\(\)"):
        model.fit(images[0], batch_size=8, verbose=0)


def test_averages_inside_several_optimizers_are_refused():
    averaging = o.MultiOptimizer(o.OptimizerMap(o.SGD(use_ema=True)))
    with pytest.raises(ValueError, match=r"use_ema\) inside a MultiOptimizer.*'generator'"):
        small("lsgan").compile({"generator": averaging})
