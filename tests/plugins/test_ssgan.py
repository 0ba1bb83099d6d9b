"""The semi-supervised GAN: its two losses against NumPy, labels and none in a batch, and 100 labels on MNIST."""

import itertools

import keras
import numpy as np
import places
import pytest
from keras import ops
from scipy.special import log_softmax, softmax

import genzoo


def small(**config):
    return genzoo.get("ssgan", **{"seed": 0, "hidden_dim": 16, "latent_dim": 4, "num_classes": 3, **config})


@pytest.fixture
def batch():
    """Eight images; two have a label."""
    rng = np.random.default_rng(0)
    return rng.random((8, 8, 8, 1), "float32"), np.array([2, -1, -1, 0, -1, -1, -1, -1])


def built(**config):
    """A model whose logits are far enough from 0 to tell losses apart."""
    model = small(**config)
    model.build((None, 8, 8, 1))
    for network in (model.discriminator, model.averaged):
        network.layers[-1].scale.assign([3.0, 6.0, 9.0])
    return model


def fixed_fakes(model):
    """What the generator makes from noise that from now on is always the same."""
    z = np.random.default_rng(1).random((8, 4), "float32")
    model.noise = lambda n: ops.convert_to_tensor(z)
    return ops.convert_to_numpy(model.generator(z))


def logits_of(model, x):
    return ops.convert_to_numpy(model.discriminator(x)[1]).astype("float64")


def with_generated(logits):
    """The K + 1 classes of the paper: generated is one more logit, fixed at 0."""
    return np.concatenate([logits, np.zeros((len(logits), 1))], axis=1)


@pytest.mark.parametrize("labelled", [[0, 3], [], range(8)], ids=["some", "none", "all"])
def test_the_discriminators_loss_is_that_of_a_softmax_over_one_class_more(batch, labelled):
    model, (x, _) = built(), batch
    y = np.full(8, -1)
    y[list(labelled)] = [i % 3 for i in labelled]
    fake = fixed_fakes(model)
    real_logits, fake_logits = logits_of(model, x), logits_of(model, fake)
    loss = model.test_on_batch(x, y, return_dict=True)["discriminator_loss"]

    supervised = [-log_softmax(real_logits[i])[y[i]] for i in labelled]
    without = y < 0 if (y < 0).any() else np.full(8, True)
    is_generated = softmax(with_generated(real_logits[without]), axis=1)[:, -1]
    caught = softmax(with_generated(fake_logits), axis=1)[:, -1]
    unsupervised = -0.5 * np.log1p(-is_generated).mean() - 0.5 * np.log(caught).mean()
    assert loss == pytest.approx((np.mean(supervised) if supervised else 0.0) + unsupervised, rel=1e-4)


def test_the_generator_matches_mean_features_of_images_without_a_label(batch):
    model, (x, y) = built(), batch
    fake = fixed_fakes(model)
    real, generated = (ops.convert_to_numpy(model.discriminator(images)[0]) for images in (x, fake))
    assert real.shape == (8, 4)  # the last hidden layer, a quarter of the first
    expected = np.mean((real[y < 0].mean(0) - generated.mean(0)) ** 2)
    assert model.test_on_batch(x, y, return_dict=True)["generator_loss"] == pytest.approx(expected, rel=1e-4)


def test_every_mixture_of_labels_trains(batch):
    x, y = batch
    for labels in (y, np.full(8, -1), np.arange(8) % 3):
        history = small().fit(x, labels, batch_size=4, epochs=2, verbose=0).history
        assert all(np.isfinite(values).all() for values in history.values())


def test_accuracy_is_of_images_with_a_label_and_in_evaluate_that_of_classify(batch):
    model, (x, _) = built(), batch
    model.fit(x, batch[1], batch_size=8, verbose=0)
    guess = model.classify(x).argmax(1)
    y = np.full(8, -1)
    y[[1, 2, 5]] = guess[1], (guess[2] + 1) % 3, guess[5]
    assert model.evaluate(x, y, batch_size=3, verbose=0, return_dict=True)["accuracy"] == pytest.approx(2 / 3)
    assert model.evaluate(x, np.full(8, -1), verbose=0, return_dict=True)["accuracy"] == 0


def test_classify_gives_probabilities_of_the_averaged_discriminator(batch):
    model, (x, y) = built(), batch
    model.fit(x, y, batch_size=4, epochs=3, verbose=0)
    probabilities = model.classify(x, batch_size=4)
    assert (probabilities.shape, probabilities.dtype) == ((8, 3), np.float32)
    logits = ops.convert_to_numpy(model.averaged(x)[1])
    np.testing.assert_allclose(probabilities, softmax(logits, axis=1), atol=1e-5)
    assert np.abs(logits - logits_of(model, x)).max() > 1e-4
    np.testing.assert_allclose(model.classify((255 * x).astype("uint8")), probabilities, atol=0.05)


def test_the_average_is_of_the_discriminators_weights(batch):
    model, (x, y) = small(ema_decay=0.5), batch
    model.build((None, 8, 8, 1))
    average = [ops.convert_to_numpy(w) for w in model.averaged.weights]
    for step in range(6):
        model.train_on_batch(x, y)
        decay = min(0.5, (1 + step) / (10 + step))
        current = [ops.convert_to_numpy(w) for w in model.discriminator.weights]
        average = [decay * a + (1 - decay) * w for a, w in zip(average, current, strict=True)]
    for a, w in zip(average, model.averaged.weights, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(w), a, atol=1e-5)


def test_columns_of_the_discriminator_are_directions(batch):
    model, (x, _) = built(), batch
    dense = [layer for layer in model.discriminator.layers if hasattr(layer, "kernel")]
    lengths = [np.linalg.norm(ops.convert_to_numpy(layer.kernel), axis=0) for layer in dense]
    expected = [2.5, 1.3, 1.3, 1.3, 1.3, [3.0, 6.0, 9.0]]
    for length, scale in zip(lengths, expected, strict=True):
        np.testing.assert_allclose(length, scale * np.ones_like(length), rtol=1e-3)
    before = logits_of(model, x)
    for layer in dense:  # how long the columns are makes no difference
        layer._kernel.assign(2.0 * layer._kernel)
    np.testing.assert_allclose(logits_of(model, x), before, atol=1e-4)


def test_the_discriminator_is_noisy_in_training_alone(batch):
    model, x = built(), batch[0]
    noisy = [ops.convert_to_numpy(model.discriminator(x, training=True)[1]) for _ in range(2)]
    assert np.abs(noisy[0] - noisy[1]).max() > 0.1
    np.testing.assert_array_equal(logits_of(model, x), logits_of(model, x))


def test_samples_take_no_labels(batch):
    model, (x, y) = small(), batch
    model.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match="SSGAN takes no labels here"):
        model.sample(2, labels=1)
    with pytest.raises(ValueError, match="ids from -1 to 3"):
        model.fit(x, np.where(y < 0, y, 3), verbose=0)
    with pytest.raises(NotImplementedError, match="VAE has no classifier, so it cannot classify"):
        genzoo.get("vae").classify(x)


def test_the_networks_are_the_papers():
    model = genzoo.get("ssgan", num_classes=10)
    model.build((None, 28, 28, 1))
    sizes = [784, 1000, 500, 250, 250, 250, 10]
    weights = sum(a * b + b for a, b in itertools.pairwise(sizes))
    assert model.discriminator.count_params() == weights + 10  # scales of the logits
    assert sum(np.prod(v.shape) for v in model.generator.trainable_variables) == (
        100 * 500 + 500 + 500 * 500 + 500 + 500 * 784 + 2 * 784
    )


@pytest.mark.slow
def test_a_hundred_labels_on_mnist(mnist_dir):
    example = places.example("hundred_labels")
    train, test = (genzoo.data.load("mnist", split, data_dir=mnist_dir) for split in ("train", "test"))
    model = genzoo.get("ssgan", seed=0, hidden_dim=250)
    batches = genzoo.data.semi_supervised(train, num_labelled=100, batch_size=110, labelled_fraction=1 / 11)
    model.fit(batches, epochs=8, verbose=0)
    errors, without = example.errors(model, test), example.errors_without(batches, test, 0)
    print(f"\nssgan on MNIST with 100 labels, {keras.config.backend()}, 8 epochs: {errors} errors, {without} without")
    assert errors <= 1600
    assert errors <= 0.75 * without
