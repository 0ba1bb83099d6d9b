"""The adversarial autoencoder: its priors, and labels that shape them."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats
from small_models import small

import genzoo

SHAPED = ["gaussian-mixture", "swiss-roll"]


def prior(name, n=20_000, labels=None, **config):
    """Samples from the prior, drawn as training draws them and as ``sample`` does."""
    model = genzoo.get("aae", seed=0, **({} if name == "gaussian" else {"latent_dim": 2}), prior=name, **config)
    y = None if labels is None else ops.convert_to_tensor(labels)
    return ops.convert_to_numpy(model.noise(n, y)), model.latents(n, np.random.default_rng(0), labels)


def test_the_gaussian_has_the_papers_width():
    for z in prior("gaussian"):
        assert z.shape == (20_000, 8)
        assert stats.kstest(z.ravel() / 5, "norm").pvalue > 1e-3


@pytest.mark.parametrize("name", SHAPED)
def test_training_and_sampling_draw_from_one_prior(name):
    training, sampling = prior(name)
    for axis in (0, 1):
        assert stats.ks_2samp(training[:, axis], sampling[:, axis]).pvalue > 1e-3


def test_the_mixture_is_ten_gaussians_that_point_outwards():
    labels = np.arange(20_000) % 10
    for z in prior("gaussian-mixture", labels=labels, num_classes=10):
        for part in range(10):
            angle = 2 * np.pi * part / 10
            along, across = (
                np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) @ z[labels == part].T
            )
            assert stats.kstest((along - 7) / 2.5, "norm").pvalue > 1e-4
            assert stats.kstest(across / 0.5, "norm").pvalue > 1e-4


def test_the_swiss_rolls_parts_follow_each_other():
    labels = np.arange(20_000) % 4
    for z in prior("swiss-roll", labels=labels, num_classes=4):
        radius, angle = np.linalg.norm(z, axis=1), np.arctan2(z[:, 1], z[:, 0])
        turns = 2 * radius / 15  # two of them, out to 15
        np.testing.assert_allclose(np.cos(2 * np.pi * turns), np.cos(angle), atol=1e-3)
        assert stats.kstest((radius / 15) ** 2, "uniform").pvalue > 1e-3
        position = 4 * (radius / 15) ** 2
        assert ((position > labels - 1e-4) & (position < labels + 1 + 1e-4)).all()


@pytest.mark.parametrize("name", SHAPED)
def test_an_unlabelled_image_may_be_anywhere(name):
    free, unlabelled = prior(name, num_classes=10), prior(name, labels=np.full(20_000, -1), num_classes=10)
    for a, b in zip(free, unlabelled, strict=True):
        assert stats.ks_2samp(a[:, 0], b[:, 0]).pvalue > 1e-3


def test_the_discriminator_sees_labels_and_an_eleventh_class(images):
    model = small("aae", prior="swiss-roll", latent_dim=2, num_classes=10)
    y = images[1][:16].copy()
    y[::2] = -1
    model.fit(images[0][:16], y, batch_size=8, verbose=0)
    assert model.discriminator.input_shape == (None, 2 + 11)
    model.discriminator.set_weights([10 * w for w in model.discriminator.get_weights()])
    z = ops.ones((3, 2))
    logits = ops.convert_to_numpy(model.discriminate(z, ops.convert_to_tensor([-1, 0, 9])))
    by_hand = np.concatenate([np.ones((3, 2)), np.eye(11)[[10, 0, 9]]], axis=1).astype("float32")
    np.testing.assert_allclose(logits, ops.convert_to_numpy(model.discriminator(by_hand)), atol=1e-5)
    assert len(np.unique(logits)) == 3


def test_labels_choose_the_part_that_is_sampled(images):
    model = small("aae", prior="gaussian-mixture", latent_dim=2, num_classes=10)
    model.fit(images[0][:16], images[1][:16], batch_size=8, verbose=0)
    z = model.latents(4, np.random.default_rng(0), np.full(4, 5))
    np.testing.assert_allclose(model.sample(4, labels=5, seed=0), model.decode(z), atol=1e-6)
    assert (z[:, 0] < 0).all()  # the sixth Gaussian points to the left
    with pytest.raises(ValueError, match="ids from 10 to 10"):
        model.sample(1, labels=10)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"prior": "swiss-roll"}, "lies in the plane. Received: latent_dim=8. Set latent_dim=2"),
        ({"num_classes": 10}, "Labels shape a prior that has parts. Received: prior='gaussian'"),
        ({"prior": "gausian"}, "Unknown `prior`.*Did you mean 'gaussian'"),
        ({"prior": "swiss-roll", "latent_dim": 2, "prior_std": 9.0}, "`prior_std` goes with prior='gaussian'"),
        ({"prior_std": 0}, "`prior_std` must be a number above 0"),
    ],
)
def test_priors_that_cannot_be_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        genzoo.get("aae", **config)


def test_the_encoder_moves_for_two_players_with_the_papers_optimizers():
    model = genzoo.get("aae")
    rates = {player: model.optimizer[player].get_config() for player in model.players}
    assert model.players["generator"] == ("encoder",)
    assert rates["autoencoder"]["momentum"] == 0.9
    assert rates["autoencoder"]["learning_rate"] == pytest.approx(0.01)
    assert [rates[p]["momentum"] for p in ("discriminator", "generator")] == [0.1, 0.1]
    assert isinstance(model.optimizer["generator"], keras.optimizers.SGD)
