"""The auxiliary deep generative model: its bounds against SciPy, labels and none in a batch, 100 labels on MNIST."""

import keras
import numpy as np
import places
import pytest
from keras import ops
from scipy import stats
from scipy.special import log_softmax, logsumexp

import genzoo

A, Y, Z = 3, 4, 2  # sizes of the auxiliary, of the classes, of z


def spread(images=8, **config):
    """A model of 3x3 images with nothing near 0, and images with a row of noise for each."""
    options = {"hidden_dim": 8, "latent_dim": Z, "auxiliary_dim": A, "num_classes": Y, "seed": 0}
    model, rng = genzoo.get("adgm", **{**options, **config}), np.random.default_rng(0)
    model.build((None, 3, 3, 1))
    for variable in model.trainable_variables:
        if len(variable.shape) == 2:
            variable.assign(0.35 * rng.standard_normal(variable.shape))
    x = (rng.random((images, 3, 3, 1)) < 0.5).astype("float32")
    return model, x, rng.standard_normal((images, A), "float32"), rng.standard_normal((images, Z), "float32")


def outputs(network, *inputs):
    """What a network gives for rows of inputs."""
    given = network([np.asarray(t, "float32")[:, None] for t in inputs])
    return [ops.convert_to_numpy(t)[:, 0].astype("float64") for t in (given if isinstance(given, list) else [given])]


def normal(x, mean, log_variance):
    return stats.norm.logpdf(x, mean, np.exp(0.5 * log_variance)).sum(axis=-1)


def bernoulli(x, logits):
    return stats.bernoulli.logpmf(x.reshape(logits.shape), 1 / (1 + np.exp(-logits))).sum(axis=-1)


def test_the_bound_of_every_class_is_the_papers():
    model, x, a_noise, z_noise = spread()
    bounds, log_q = (ops.convert_to_numpy(t) for t in model.bounds(x, a_noise, z_noise))
    assert bounds.shape == log_q.shape == (8, Y)
    flat = x.reshape(8, 9)
    a_mean, a_log_variance = outputs(model.auxiliary, flat)
    a = a_mean + np.exp(0.5 * a_log_variance) * a_noise
    np.testing.assert_allclose(log_q, log_softmax(outputs(model.classifier, a, flat)[0], axis=1), atol=1e-4)
    for label in range(Y):
        y = np.eye(Y)[[label] * 8]
        mean, log_variance = outputs(model.encoder, a, y, flat)
        z = mean + np.exp(0.5 * log_variance) * z_noise
        kl = 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=1)
        elbo = bernoulli(flat, outputs(model.decoder, y, z)[0]) - np.log(Y) - kl
        elbo += normal(a, *outputs(model.auxiliary_decoder, z, y, flat)) - normal(a, a_mean, a_log_variance)
        np.testing.assert_allclose(bounds[:, label], -elbo, rtol=1e-4, atol=1e-4)


def test_the_bounds_bound_the_likelihood():
    model, x, *_ = spread(images=2)
    rng, draws, flat = np.random.default_rng(1), 20_000, x.reshape(2, 9)
    z = rng.standard_normal((draws, Z))
    log_p = np.empty((2, Y))  # of x and y together, by brute force over the prior
    for label in range(Y):
        logits = outputs(model.decoder, np.eye(Y)[[label] * draws], z)[0]
        for i in range(2):
            log_p[i, label] = logsumexp(bernoulli(flat[[i] * draws], logits)) - np.log(draws) - np.log(Y)
    noise = rng.standard_normal((2 * draws, A), "float32"), rng.standard_normal((2 * draws, Z), "float32")
    bounds, log_q = (
        ops.convert_to_numpy(t).reshape(draws, 2, Y) for t in model.bounds(np.tile(x, (draws, 1, 1, 1)), *noise)
    )
    labelled = bounds.mean(axis=0)
    unlabelled = (np.exp(log_q) * (bounds + log_q)).sum(axis=2).mean(axis=0)
    assert (labelled > -log_p + 0.05).all()
    assert (unlabelled > -logsumexp(log_p, axis=1) + 0.05).all()


def losses_of(rows, labels, **config):
    """What ``evaluate`` says of some of eight images, with each image's own noise."""
    model, x, a_noise, z_noise = spread(**config)
    model.normal, model.noise = (
        lambda shape: ops.convert_to_tensor(a_noise[rows]),
        lambda n: ops.convert_to_tensor(z_noise[rows]),
    )
    return model.test_on_batch(x[rows], np.asarray(labels)[rows], return_dict=True)


@pytest.mark.parametrize("labelled", [[], [1, 4, 5], range(8)], ids=["none", "some", "all"])
def test_labels_and_none_in_a_batch_add_up_to_each_alone(labelled):
    y = np.full(8, -1)
    y[list(labelled)] = [i % Y for i in labelled]
    mixed = losses_of(np.arange(8), y)
    parts = [(np.flatnonzero(mask), kind) for mask, kind in ((y >= 0, "labelled"), (y < 0, "unlabelled"))]
    total = 0.0
    for rows, kind in parts:
        alone = losses_of(rows, y) if len(rows) else {"loss": 0.0, f"{kind}_bound": 0.0}
        total += len(rows) / 8 * alone["loss"]
        assert mixed[f"{kind}_bound"] == pytest.approx(alone[f"{kind}_bound"], rel=1e-5)
    assert mixed["loss"] == pytest.approx(total, rel=1e-5)


def test_alpha_weighs_the_classification_of_labelled_images():
    y = np.arange(8) % Y
    one, other = (losses_of(np.arange(8), y, alpha=alpha) for alpha in (0.0, 2.0))
    assert one["loss"] == pytest.approx(one["labelled_bound"], rel=1e-6)
    model, x, a_noise, z_noise = spread()
    log_q = ops.convert_to_numpy(model.bounds(x, a_noise, z_noise)[1])
    cross_entropy = -log_q[np.arange(8), y].mean()
    assert other["loss"] - one["loss"] == pytest.approx(2 * cross_entropy, rel=1e-4)


def test_pixels_are_drawn_anew_from_grey_values():
    model, *_ = spread()
    seen = []
    bounds = model.bounds
    model.bounds = lambda x, *noise: seen.append(ops.convert_to_numpy(x)) or bounds(x, *noise)
    model.compile(run_eagerly=True)
    x = np.full((800, 3, 3, 1), 0.3, "float32")
    model.evaluate(x, np.full(800, -1), batch_size=400, verbose=0)  # draws as training does, and takes no gradient
    assert all(set(np.unique(images)) == {0.0, 1.0} for images in seen)
    assert [images.mean() for images in seen] == pytest.approx([0.3, 0.3], abs=0.03)
    assert not np.array_equal(*seen)


def test_classify_gives_q_at_the_auxiliarys_mean_and_evaluate_its_accuracy():
    model, x, *_ = spread()
    probabilities, flat = model.classify(x), x.reshape(8, 9)
    expected = np.exp(log_softmax(outputs(model.classifier, outputs(model.auxiliary, flat)[0], flat)[0], axis=1))
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    y = np.where(np.arange(8) < 4, probabilities.argmax(1), -1)
    y[0] = (y[0] + 1) % Y
    assert model.evaluate(x, y, batch_size=3, verbose=0, return_dict=True)["accuracy"] == pytest.approx(3 / 4)


def test_verbs_need_a_class_and_training_does_not():
    model, x, *_ = spread()
    model.fit(x, np.full(8, -1), verbose=0)
    assert model.sample(3, labels=2, seed=0).shape == (3, 3, 3, 1)
    assert np.abs(model.sample(1, labels=2, seed=0) - model.sample(1, labels=3, seed=0)).max() > 0.01
    z = model.encode(x, labels=1)
    flat = x.reshape(8, 9)
    expected = outputs(model.encoder, outputs(model.auxiliary, flat)[0], np.eye(Y)[[1] * 8], flat)[0]
    np.testing.assert_allclose(z, expected, atol=1e-5)
    for call in (lambda: model.sample(1, labels=-1), lambda: model.decode(z, labels=-1), lambda: model.encode(x, -1)):
        with pytest.raises(ValueError, match=r"from 0 to 3.*Received: ids from -1"):
            call()
    with pytest.raises(ValueError, match=r"from 0 to 3.*Received: ids from -1"):
        model.predict([x, np.full(8, -1)], verbose=0)
    with pytest.raises(ValueError, match=r"from -1 to 3.*Received: ids from -2"):
        model.fit(x, np.full(8, -2), verbose=0)


def test_the_networks_are_the_papers():
    model = genzoo.get("adgm", num_classes=10)
    model.build((None, 28, 28, 1))

    def weights(inputs, outputs):
        return inputs * 500 + 500 + 500 * 500 + 500 + 500 * outputs + outputs

    assert model.auxiliary.count_params() == weights(784, 200)
    assert model.classifier.count_params() == weights(884, 10)
    assert model.encoder.count_params() == weights(100 + 10 + 784, 200)
    assert model.decoder.count_params() == weights(110, 784)
    assert model.auxiliary_decoder.count_params() == weights(100 + 10 + 784, 200)


@pytest.mark.slow
def test_a_hundred_labels_on_mnist(mnist_dir):
    example = places.example("hundred_labels")
    train, test = (genzoo.data.load("mnist", split, data_dir=mnist_dir) for split in ("train", "test"))
    model = genzoo.get("adgm", seed=0, alpha=300.0)
    batches = genzoo.data.semi_supervised(train, num_labelled=100, batch_size=120, labelled_fraction=1 / 6)
    history = model.fit(batches, epochs=3, verbose=0).history
    errors, bound = example.errors(model, test), history["unlabelled_bound"][-1]
    print(f"\nadgm on MNIST with 100 labels, {keras.config.backend()}, 3 epochs: {errors} errors, bound {bound:.1f}")
    assert errors <= 2600
    assert bound <= 135
