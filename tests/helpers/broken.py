"""Models that each break one contract, and the name of the check that must find it out."""

import math
import time
from typing import NamedTuple

import keras
import numpy as np
from keras import ops
from whole import WholeGAN, WholeTranslator, WholeVAE, network


class Broken(NamedTuple):
    """A defect: the class that has it, the check that finds it, and those that cannot but find it too."""

    cls: type
    check: str
    others: frozenset = frozenset()


BROKEN: list[Broken] = []


def breaks(check, *others, registered=True):
    def decorate(cls):
        cls.__doc__ = cls.__doc__ or cls.__base__.__doc__
        if registered:
            keras.saving.register_keras_serializable("broken")(cls)
        BROKEN.append(Broken(cls, check, frozenset(others)))
        return cls

    return decorate


# Configuration.


@breaks("init_stores_its_arguments")
class ChangesAnOption(WholeGAN):
    def __init__(self, latent_dim: int = 4, **kwargs):
        super().__init__(latent_dim=latent_dim, **kwargs)
        self.latent_dim = latent_dim + 1


@breaks("init_checks_its_arguments")
class ChecksNothing(WholeGAN):
    def __init__(self, latent_dim: int = 4, slope: float = 0.2, **kwargs):
        super().__init__(latent_dim=latent_dim, **kwargs)
        self.slope = slope

    __doc__ = WholeGAN.__doc__.replace("Args:", "Args:\n        slope: of nothing.")


@breaks("unknown_options_are_refused")
class SwallowsOptions(WholeGAN):
    def __init__(self, latent_dim: int = 4, seed: int | None = None, **kwargs):
        super().__init__(latent_dim=latent_dim, seed=seed)


@breaks("float16_is_refused")
class SwallowsDtype(WholeGAN):
    def __init__(self, latent_dim: int = 4, num_classes: int = 3, smoothing: float = 0.1, dtype=None, **kwargs):
        super().__init__(latent_dim=latent_dim, num_classes=num_classes, smoothing=smoothing, **kwargs)

    @classmethod
    def options(cls):
        return WholeGAN.options()


@breaks("config_round_trips")
class ForgetsAnOption(WholeGAN):
    def get_config(self):
        config = super().get_config()
        del config["smoothing"]
        return config


@breaks("class_is_registered", registered=False)
class Unregistered(WholeGAN):
    pass


@breaks("docstring_is_complete")
class SaysLittle(WholeGAN):
    """A GAN."""


@breaks("metrics_are_described")
class DescribesNoMetric(WholeGAN):
    logs = {"margin": ""}


# Training.


@breaks("builds_from_the_data")
class KnowsOneSize(WholeGAN):
    def decode_step(self, z, y=None):
        return ops.reshape(self.generate(z, y), (-1, 2, 2, 1))


@breaks("fits_one_batch")
class Raises(WholeGAN):
    def step(self, x, y=None):
        raise RuntimeError("a step that does not work")


@breaks("fits_one_batch")
class HasNoLogarithm(WholeTranslator):
    def compute_loss(self, x=None, y=None):
        return super().compute_loss(x, y) + ops.log(-1.0 - ops.mean(x))


@breaks("history_has_the_metrics")
class LogsNothing(WholeGAN):
    def log(self, name, value):
        pass


@breaks("every_optimizer_advances")
class IgnoresAPlayer(WholeGAN):
    def minimize(self, loss_fn, player, through=()):
        if player == "discriminator":
            return super().minimize(loss_fn, player, through)
        return self._track(self.loss_name(player), loss_fn())


@breaks("players_move_their_own_variables")
class LeavesALayerOut(WholeGAN):
    def discriminator_loss(self, x, fake):
        return super().discriminator_loss(x, fake) + 0.0 * ops.cast(ops.mean(self.unused(x)), "float32")

    def build_networks(self, image_shape):
        super().build_networks(image_shape)
        self.unused = network(math.prod(image_shape), 1, "unused")

    players = {"discriminator": ("discriminator", "unused"), "generator": ("generator",)}


@breaks("players_move_their_own_variables", "learning_rate_callbacks_work")
class MovesTheOther(WholeGAN):
    def step(self, x, y=None):
        super().step(x, y)
        if self.is_training:
            kernel = self.discriminator.trainable_variables[0]
            kernel.assign(0.99 * kernel)


@breaks("batch_norm_trains")
class NeverLearnsStatistics(WholeGAN):
    def generate(self, z, y):
        return ops.sigmoid(self.generator(ops.concatenate([z, self.one_hot(y)], axis=1), training=False))


@breaks("compiled_equals_eager", "a_run_resumes_exactly", "every_form_of_data_trains", "early_stopping_works",
        "evaluate_changes_nothing", "learning_rate_callbacks_work")  # fmt: skip
class CountsInPython(WholeGAN):
    plays = 0

    def step(self, x, y=None):
        self.plays += 1
        super().step(x, y)

    def generator_loss(self, fake):
        return self.plays * super().generator_loss(fake)


@breaks("bfloat16_trains")
class KeepsFloat32(WholeTranslator):
    def build_networks(self, image_shape):
        size = math.prod(image_shape)
        layers = [keras.layers.Dense(5, "relu", dtype="float32"), keras.layers.Dense(size, dtype="float32")]
        self.network = keras.Sequential([keras.Input((size,)), *layers], name="network")


@breaks("partial_last_batch_trains")
class AssumesEight(WholeGAN):
    def noise(self, batch_size):
        return super().noise(8)


@breaks("evaluate_changes_nothing")
class CountsWhatItSees(WholeGAN):
    def build_networks(self, image_shape):
        super().build_networks(image_shape)
        self.seen = self.add_weight((), trainable=False, name="seen")

    def step(self, x, y=None):
        super().step(x, y)
        self.seen.assign(self.seen + 1.0)


# Data.


@breaks("every_form_of_data_trains")
class TakesArraysOnly(WholeGAN):
    def fit(self, x, y=None, **options):
        return super().fit(np.asarray(x), y, **options)


@breaks("missing_labels_are_asked_for")
class MakesLabelsUp(WholeGAN):
    def fit(self, x, y=None, **options):
        missing = y is None and isinstance(x, np.ndarray)
        return super().fit(x, np.zeros(len(x), "int32") if missing else y, **options)


# Seeds, files, callbacks.


@breaks("a_seed_fixes_everything")
class SeedsItselfByTheClock(WholeGAN):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.clock = keras.random.SeedGenerator(time.time_ns() % 2**31)

    def noise(self, batch_size):
        return keras.random.normal((batch_size, self.latent_dim), seed=self.clock)


@breaks("no_global_random_state")
class AsksNumPy(WholeGAN):
    def generator_loss(self, fake):
        return super().generator_loss(fake) + 0.0 * np.random.random()


@breaks("a_file_holds_everything")
class ForgetsItsNoise(WholeGAN):
    def load_own_variables(self, store):
        fresh = [np.array(ops.convert_to_numpy(v)) for v in self._random_state()]
        super().load_own_variables(store)
        for variable, value in zip(self._random_state(), fresh, strict=True):
            variable.assign(value)


@breaks("a_run_resumes_exactly", "compiled_equals_eager", "every_form_of_data_trains", "early_stopping_works",
        "learning_rate_callbacks_work", "players_move_their_own_variables")  # fmt: skip
class CountsEpochsInPython(WholeGAN):
    epochs_seen = 0

    def fit(self, *arguments, **options):
        self.epochs_seen += 1
        self.optimizer["generator"].learning_rate = 0.01 / self.epochs_seen
        return super().fit(*arguments, **options)


@breaks("learning_rate_callbacks_work", "players_move_their_own_variables")
class DecaysByHand(WholeTranslator):
    def step(self, x, y=None):
        super().step(x, y)
        for variable in self.network.trainable_variables if self.is_training else ():
            variable.assign(0.9 * variable)


@breaks("model_checkpoints_load")
class SavesInItsOwnWay(WholeGAN):
    def save(self, filepath):
        super().save(filepath)


@breaks("early_stopping_works")
class IgnoresSetWeights(WholeGAN):
    def set_weights(self, weights):
        pass


@breaks("tensorboard_works", "learning_rate_callbacks_work", "model_checkpoints_load", "early_stopping_works")
class DropsCallbacks(WholeGAN):
    def fit(self, *arguments, callbacks=None, **options):
        return super().fit(*arguments, **options)


# Verbs.


@breaks("samples_are_images")
class ShowsLogits(WholeGAN):
    def decode_step(self, z, y=None):
        return 9.0 * self.image(self.generate(z, y)) - 4.0


@breaks("samples_follow_their_seed")
class LooksAtTheWholeBatch(WholeGAN):
    def decode_step(self, z, y=None):
        images = self.image(self.generate(z, y))
        return images / (1.0 + ops.mean(images, axis=0))


@breaks("samples_are_decoded_latents")
class DrawsDoubles(WholeGAN):
    def latents(self, n, rng, labels=None):
        return rng.standard_normal((n, self.latent_dim))


@breaks("encodes_and_reconstructs")
class EncodesDoubles(WholeVAE):
    def encode(self, x, labels=None, **options):
        return super().encode(x, labels, **options).astype("float64")


@breaks("likelihood_is_finite_and_repeats")
class WeighsTheWholeBatch(WholeVAE):
    def log_weights(self, x, epsilon, y=None):
        weights = super().log_weights(x, epsilon, y)
        return weights + 100.0 * ops.mean(weights)


@breaks("classifies")
class ClassifiesByLogits(WholeVAE):
    def classify_step(self, x):
        return self.head(self.encode_step(x))


@breaks("translates")
class TranslatesToLogits(WholeTranslator):
    def translate_step(self, x, z):
        return 9.0 * super().translate_step(x, z) - 4.0


@breaks("labels_matter")
class IgnoresLabels(WholeGAN):
    def decode_step(self, z, y=None):
        return super().decode_step(z, ops.zeros_like(y))
