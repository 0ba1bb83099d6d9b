"""Checks of what one does with a trained model: ``sample``, ``encode``, ``classify``, ..."""

import numpy as np

from genzoo.testing.subjects import BATCH, global_random_state
from genzoo.testing.suite import check, expect


def _expect_images(images, shape):
    expect(images.shape == shape, f"an array of shape {images.shape}, expected {shape}.")
    expect(images.dtype == np.float32, f"an array of {images.dtype}.")
    expect(np.isfinite(images).all(), "images that are not finite.")
    expect(images.min() >= 0 and images.max() <= 1, f"pixels from {images.min():.3g} to {images.max():.3g}.")
    expect(images.std() > 0, f"images that are {images.flat[0]:.3g} everywhere.")


def _expect_close(one, other, seen):
    far = np.abs(one - other).max()
    expect(one.shape == other.shape and far <= 1e-5, f"{seen}: by {far:.2g}.")


@check(unless="translation")
def samples_are_images(subject):
    """``sample(n)`` gives float32 images of the data's shape, with pixels in [0, 1] that are not all the same.

    Mend: let ``decode_step`` end in a sigmoid, or in ``(x + 1) / 2`` of a tanh, and reshape to ``self.image_shape``.
    """
    _expect_images(subject.trained().sample(BATCH, seed=1), (BATCH, *subject.image_shape))


@check(unless="translation")
def samples_follow_their_seed(subject):
    """``sample(n, seed=...)`` depends on its seed alone: not on ``batch_size``, nor on what was drawn before.

    Mend: draw in ``latents(n, rng)``, from ``rng``; ``decode_step`` draws nothing and calls networks plainly, so that
    an image does not depend on its neighbours.
    """
    model, before = subject.trained(), global_random_state()
    images = model.sample(BATCH, seed=1)
    expect(np.array_equal(images, model.sample(BATCH, seed=1)), "one seed gives different images.")
    _expect_close(images, model.sample(BATCH, seed=1, batch_size=BATCH // 2), "batch_size changes the images")
    expect(not np.array_equal(images, model.sample(BATCH, seed=2)), "another seed gives the same images.")
    expect(not np.array_equal(model.sample(BATCH), model.sample(BATCH)), "without a seed the images repeat.")
    expect(global_random_state() == before, "sampling draws from the generators that a process shares.")


@check(unless="translation")
def samples_are_decoded_latents(subject):
    """``latents(n, rng)`` are float32 of shape ``(n, latent_dim)``, and ``decode`` makes of them what ``sample`` makes.

    Mend: give the model a ``latent_dim``, draw from the prior in ``latents``, and write ``decode_step(z, y)``.
    """
    model, labels = subject.trained(), subject.labels(BATCH)
    z = model.latents(BATCH, np.random.default_rng(1), *labels.values())
    expect(z.shape == (BATCH, model.latent_dim), f"latents of shape {z.shape}, and latent_dim is {model.latent_dim}.")
    expect(z.dtype == np.float32, f"latents of {z.dtype}.")
    if labels or model.label_ids is None:
        _expect_close(model.decode(z, **labels), model.sample(BATCH, seed=1, **labels), "decode and sample differ")


@check("encoder")
def encodes_and_reconstructs(subject):
    """``encode`` gives the same float32 latents ``(n, latent_dim)`` every time, and ``reconstruct`` decodes them.

    Mend: let ``encode_step(x, y)`` return the mean of q(z | x), draw nothing, and call networks plainly.
    """
    model, (x, _), labels = subject.trained(), subject.data(), subject.labels()
    z = model.encode(x, **labels)
    expect(z.shape == (len(x), model.latent_dim), f"latents of shape {z.shape}, and latent_dim is {model.latent_dim}.")
    expect(z.dtype == np.float32 and np.isfinite(z).all(), f"latents of {z.dtype}, or not finite.")
    expect(z.std(axis=0).max() > 0, "all images have the same latents.")
    _expect_close(model.encode(x, **labels), z, "encoded twice, the latents differ")
    _expect_close(model.encode(x, **labels, batch_size=BATCH), z, "batch_size changes the latents")
    _expect_close(model.reconstruct(x, **labels), model.decode(z, **labels), "reconstruct is not decode of encode")
    _expect_images(model.reconstruct(x, **labels), x.shape)


@check("likelihood")
def likelihood_is_finite_and_repeats(subject):
    """``log_likelihood`` gives a finite float64 per image, which ``seed`` fixes and ``batch_size`` does not change.

    Mend: write ``log_weights(x, epsilon, y)`` with the noise that it is given, in float32, one value per image and
    draw.
    """
    model, (x, _), labels = subject.trained(), subject.data(BATCH), subject.labels(BATCH)
    values = model.log_likelihood(x, 4, seed=1, batch_size=4 * BATCH, **labels)
    expect(values.shape == (BATCH,) and values.dtype == np.float64, f"{values.dtype} of shape {values.shape}.")
    expect(np.isfinite(values).all(), f"values that are not finite: {values}.")
    apart = model.log_likelihood(x, 4, seed=1, batch_size=2 * BATCH, **labels)
    close = np.allclose(values, apart, rtol=1e-5, atol=1e-3)
    expect(close, f"batch_size changes them, or seed does not fix them: by {np.abs(values - apart).max():.2g}.")


@check("classifier")
def classifies(subject):
    """``classify`` gives float32 probabilities ``(n, num_classes)`` that sum to 1, the same every time.

    Mend: let ``classify_step(x)`` return a softmax over ``num_classes`` in float32, draw nothing, and call networks
    plainly.
    """
    model, (x, _) = subject.trained(), subject.data()
    rows = model.classify(x)
    expect(rows.shape == (len(x), model.num_classes), f"shape {rows.shape} for {model.num_classes} classes.")
    expect(rows.dtype == np.float32 and rows.min() >= 0, f"{rows.dtype} from {rows.min():.3g} on.")
    expect(
        np.allclose(rows.sum(1), 1, atol=1e-5), f"rows that sum to {rows.sum(1).min():.4g} to {rows.sum(1).max():.4g}."
    )
    _expect_close(model.classify(x, batch_size=BATCH), rows, "batch_size changes the probabilities")
    expect(-1 in model.label_ids, f"label_ids is {model.label_ids!r}, without -1 for images without a label.")


@check("translation")
def translates(subject):
    """``translate(x)`` gives float32 images of the same shape in [0, 1], which ``seed`` fixes; ``sample`` is refused.

    Mend: let ``translate_step(x, z)`` return images in [0, 1] and take all its noise from ``z``, which ``latents`` has
    drawn; leave ``sample`` alone, which raises a ``NotImplementedError``.
    """
    model, (x, _) = subject.trained(), subject.data(BATCH)
    images = model.translate(x, seed=1)
    _expect_images(images, x.shape)
    _expect_close(model.translate(x, seed=1), images, "one seed gives different images")
    _expect_close(model.translate(x, seed=1, batch_size=BATCH // 2), images, "batch_size changes the images")
    try:
        model.sample(1)
    except NotImplementedError:
        return
    expect(False, "sample(1) returned images, of nothing.")


@check("conditional")
def labels_matter(subject):
    """One seed and different labels give different images; one label stands for as many as there are.

    Mend: let ``decode_step(z, y)`` pass the labels on to its network, for example as ``self.one_hot(y)``.
    """
    model = subject.trained()
    if len([i for i in model.label_ids if i >= 0]) < 2:
        return
    zeros, ones = (model.sample(BATCH, labels=label, seed=1) for label in (0, 1))
    expect(not np.array_equal(zeros, ones), "labels 0 and 1 give the same images.")
    expect(
        np.array_equal(zeros, model.sample(BATCH, labels=[0] * BATCH, seed=1)), "labels=0 is not labels=[0, 0, ...]."
    )
