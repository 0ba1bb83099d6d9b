"""What a Keras user does to a built model: freezing, other options, other weights. It counts from the next fit on."""

import keras
import numpy as np
import pytest
from small_models import assert_equal, small

import genzoo
from genzoo.layers import flattened

# A model, a network of it, and whose it is alone: of one, of two and of three players.
FROZEN = [("vae", "encoder"), ("dcgan", "generator"), ("cdcgan", "discriminator"), ("aae", "encoder")]


@pytest.fixture
def images(images):
    return images[0][:16], images[1][:16]


def fit(model, images, **options):
    return model.fit(*images, batch_size=8, verbose=0, **options).history


def weights(network):
    return [np.array(w) for w in network.get_weights()]


def moved(before, network):
    return [bool((old != new).any()) for old, new in zip(before, weights(network), strict=True)]


@pytest.mark.parametrize("recompiled", [False, True], ids=["as it is", "compiled again"])
@pytest.mark.parametrize(("name", "network"), FROZEN)
def test_a_frozen_network_stays_as_it_is_and_the_others_train(name, network, recompiled, images):
    model = small(name)
    fit(model, images)
    getattr(model, network).trainable = False
    if recompiled:
        model.compile()
    others = {n for networks in model.players.values() for n in networks} - {network}
    before = {n: weights(getattr(model, n)) for n in (network, *others)}
    history = fit(model, images)
    assert all(np.isfinite(values).all() for values in history.values())
    assert not any(moved(before[network], getattr(model, network)))  # the statistics of batch normalisation neither
    assert all(any(moved(before[n], getattr(model, n))) for n in others if before[n])

    getattr(model, network).trainable = True
    fit(model, images)
    assert any(moved(before[network], getattr(model, network)))


@pytest.mark.parametrize("compiled", [True, False])
def test_flags_of_networks_and_of_single_layers_are_in_the_file(compiled, images, tmp_path):
    model = small("cdcgan")
    fit(model, images)
    model.generator.trainable = False
    flattened(model.discriminator)[-1].trainable = False
    fit(model, images)
    model.save(tmp_path / "model.keras")
    loaded = genzoo.load(tmp_path / "model.keras", compile=compiled)
    assert loaded.trainable_flags() == model.trainable_flags()
    before = weights(loaded.generator)
    fit(loaded, images)
    assert not any(moved(before, loaded.generator))
    if compiled:
        fit(model, images)
        assert_equal(loaded.get_weights(), model.get_weights())


def test_a_model_may_be_frozen_as_a_whole(images):
    model = small("vae", trainable=False)
    model.build((None, 8, 8, 1))
    before = weights(model)
    history = fit(model, images, epochs=2)
    assert not any(moved(before, model))
    assert np.isfinite(history["loss"]).all()
    assert float(model.optimizer["autoencoder"].iterations) == 0


def test_options_of_layers_count_from_the_next_fit_on(images):
    runs = []
    for rate in (0.0, 0.9, None):
        model = small("cdcgan")
        model.build((None, 8, 8, 1))
        fit(model, images)
        layers = [layer for layer in flattened(model) if isinstance(layer, keras.layers.Dropout)]
        layers += [layer for layer in flattened(model) if isinstance(layer, keras.layers.LeakyReLU)]
        assert layers
        for layer in layers:
            if rate is not None and isinstance(layer, keras.layers.Dropout):
                layer.rate = rate
            elif rate is not None:
                layer.negative_slope = rate
        fit(model, images)
        runs.append(np.concatenate([w.ravel() for w in weights(model.discriminator)]))
    assert (runs[0] != runs[1]).any()
    assert (runs[0] != runs[2]).any()


def test_a_built_model_keeps_its_networks(images):
    model, other = small("vae"), small("vae", seed=1)
    other.build((None, 8, 8, 1))
    model.build((None, 8, 8, 1))
    own = model.encoder
    with pytest.raises(ValueError, match=r"`encoder` is one.*model\.encoder\.set_weights"):
        model.encoder = other.encoder
    assert model.encoder is own
    fit(model, images)


def test_an_encoder_is_transferred_and_frozen(images, tmp_path):
    trained, model = small("vae"), small("vae", seed=1)
    fit(trained, images)
    model.build((None, 8, 8, 1))
    model.encoder.set_weights(trained.encoder.get_weights())
    model.encoder.trainable = False
    fit(model, images)
    model.save(tmp_path / "model.keras")
    assert_equal(genzoo.load(tmp_path / "model.keras").encoder.get_weights(), trained.encoder.get_weights())


def test_what_was_frozen_when_it_was_compiled_trains_again(images):
    model = small("dcgan", ema_decay=0.9)
    model.build((None, 8, 8, 1))
    layer = [layer for layer in model.generator.layers if layer.trainable_weights][-1]
    layer.trainable = False
    model.compile()
    layer.trainable = True
    before = weights(layer)
    fit(model, images)
    assert any(moved(before, layer))


def test_averaged_weights_leave_a_frozen_layer_alone_and_fit_goes_on(images):
    model = small("vae")
    model.compile(keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5))
    fit(model, images)
    model.encoder.trainable = False
    model.encoder.set_weights([w + 1 for w in model.encoder.get_weights()])
    before = weights(model.encoder), weights(model.decoder)
    fit(model, images)
    fit(model, images)
    assert not any(moved(before[0], model.encoder))
    assert any(moved(before[1], model.decoder))


def test_single_variables_may_be_frozen_and_batches_follow_too(images):
    model = small("vae")
    model.train_on_batch(images[0])
    layer = next(layer for layer in flattened(model.encoder) if isinstance(layer, keras.layers.Dense))
    layer.kernel.trainable = False
    model.compile()
    before = weights(layer)
    model.train_on_batch(images[0])
    fit(model, images)
    assert moved(before, layer) == [False, True]
    model.encoder.trainable = False
    before = weights(model.encoder)
    model.train_on_batch(images[0])
    assert not any(moved(before, model.encoder))


def test_a_layer_whose_config_cannot_be_had_trains(images):
    class Odd(keras.layers.Layer):
        def call(self, inputs):
            return inputs

        def get_config(self):
            raise ValueError("none")

    class WithOdd(type(small("vae"))):
        def build_networks(self, image_shape):
            super().build_networks(image_shape)
            self.odd = Odd()

    history = fit(WithOdd(**{**small("vae").get_config(), "name": "odd"}), images)
    assert np.isfinite(history["loss"]).all()


def test_a_model_is_built_for_one_shape():
    model = small("vae")
    model.build((None, 8, 8, 1))
    model.build((None, 8, 8, 1))
    with pytest.raises(ValueError, match=r"built for images of shape \(8, 8, 1\)\. Received: \(4, 4, 1\)"):
        model.build((None, 4, 4, 1))


def test_a_model_with_an_optimizer_for_every_player_needs_no_defaults():
    class Bare(type(small("vae"))):
        def default_optimizers(self):
            raise NotImplementedError

    Bare().compile({"autoencoder": "sgd"})
    with pytest.raises(NotImplementedError):
        Bare().compile()
