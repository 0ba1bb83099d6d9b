"""Pure functions on ``keras.ops``: likelihoods, divergences and adversarial losses.

All take and return float32 tensors and natural logarithms: values are in nats.
"""

from keras import ops


def bernoulli_nll(x, logits):
    r"""Negative log-likelihood of images under independent Bernoulli pixels.

    $$-\log p(x \mid z) = \sum_i \operatorname{softplus}(\ell_i) - x_i \ell_i$$

    For grey values between 0 and 1 this is the usual cross-entropy, and not a normalised likelihood.

    Args:
        x: tensor ``(batch, ...)`` in [0, 1].
        logits: tensor of the same shape.

    Returns:
        Tensor ``(batch,)``, in nats per image.
    """
    logits = ops.cast(logits, "float32")
    return _sum_per_example(ops.softplus(logits) - x * logits)


def standard_normal_kl(mean, log_variance):
    r"""$D_{KL}[N(\mu, \operatorname{diag} \sigma^2) \,\|\, N(0, I)]
    = \frac12 \sum_j \mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2$.

    Args:
        mean: tensor ``(batch, latent_dim)``.
        log_variance: tensor of the same shape, $\log \sigma^2$.

    Returns:
        Tensor ``(batch,)``, in nats per image.
    """
    mean, log_variance = ops.cast(mean, "float32"), ops.cast(log_variance, "float32")
    return 0.5 * _sum_per_example(ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance)


def discriminator_cross_entropy(real_logits, fake_logits):
    r"""The discriminator's loss of Goodfellow et al. (2014), $-\log D(x) - \log(1 - D(G(z)))$, averaged.

    Args:
        real_logits: tensor ``(batch, 1)``, the logits of $D(x)$.
        fake_logits: tensor ``(batch, 1)``, the logits of $D(G(z))$.

    Returns:
        Scalar tensor; 2 log 2 where the discriminator knows nothing.
    """
    real_logits, fake_logits = ops.cast(real_logits, "float32"), ops.cast(fake_logits, "float32")
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))


def generator_cross_entropy(fake_logits):
    r"""The generator's non-saturating loss, $-\log D(G(z))$, averaged.

    Args:
        fake_logits: tensor ``(batch, 1)``, the logits of $D(G(z))$.

    Returns:
        Scalar tensor; log 2 where the discriminator knows nothing.
    """
    return ops.mean(ops.softplus(-ops.cast(fake_logits, "float32")))


def _sum_per_example(x):
    return ops.sum(ops.reshape(x, (ops.shape(x)[0], -1)), axis=1)
