"""Losses against closed forms and other libraries."""

import numpy as np
import pytest
import torch
from keras import ops
from scipy import integrate, stats

from genzoo import losses

rng = np.random.default_rng(0)


def test_bernoulli_nll_equals_torch_and_stays_finite():
    x = rng.random((5, 4, 4, 1)).astype("float32")
    logits = (10 * rng.standard_normal(x.shape)).astype("float32")
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(logits), torch.tensor(x), reduction="none"
    )
    mine = ops.convert_to_numpy(losses.bernoulli_nll(ops.convert_to_tensor(x), ops.convert_to_tensor(logits)))
    np.testing.assert_allclose(mine, expected.sum((1, 2, 3)).numpy(), rtol=1e-5)
    extreme = losses.bernoulli_nll(ops.convert_to_tensor([[1.0, 0.0]]), ops.convert_to_tensor([[-1e4, 1e4]]))
    np.testing.assert_allclose(ops.convert_to_numpy(extreme), [2e4])


def test_standard_normal_kl_equals_the_integral():
    means, log_variances = rng.standard_normal(3), rng.standard_normal(3)

    def integrand(z, mean, scale):
        q = stats.norm(mean, scale)
        return q.pdf(z) * (q.logpdf(z) - stats.norm.logpdf(z))

    expected = sum(
        integrate.quad(integrand, m - 12 * s, m + 12 * s, args=(m, s))[0]
        for m, s in zip(means, np.exp(log_variances / 2), strict=True)
    )
    mine = losses.standard_normal_kl(ops.convert_to_tensor(means[None]), ops.convert_to_tensor(log_variances[None]))
    np.testing.assert_allclose(ops.convert_to_numpy(mine), [expected], rtol=1e-4)
    zero = losses.standard_normal_kl(ops.zeros((2, 3)), ops.zeros((2, 3)))
    np.testing.assert_array_equal(ops.convert_to_numpy(zero), [0, 0])


@pytest.mark.parametrize(("real", "fake"), [(0.0, 0.0), (2.0, -1.0), (-30.0, 30.0)])
def test_adversarial_losses_equal_their_definition(real, fake):
    def sigmoid(t):
        return 1 / (1 + np.exp(-np.float64(t)))

    real_logits, fake_logits = ops.convert_to_tensor([[real]]), ops.convert_to_tensor([[fake]])
    discriminator = ops.convert_to_numpy(losses.discriminator_cross_entropy(real_logits, fake_logits))
    np.testing.assert_allclose(discriminator, -np.log(sigmoid(real)) - np.log(sigmoid(-fake)), rtol=1e-5)
    generator = ops.convert_to_numpy(losses.generator_cross_entropy(fake_logits))
    np.testing.assert_allclose(generator, -np.log(sigmoid(fake)), rtol=1e-5, atol=1e-7)
