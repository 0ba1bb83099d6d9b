"""BiGAN and ALI: one game of pairs, two sets of networks."""

import functools

import keras
import numpy as np
import pytest
from backends import pytorch
from keras import ops
from scipy import stats
from sklearn.neighbors import KNeighborsClassifier

import genzoo
from genzoo import engine
from genzoo_plugins.ali import ALI
from genzoo_plugins.bigan import BiGAN


@pytest.fixture
def bigan(images):
    model = BiGAN(latent_dim=3, hidden_dim=6, seed=0)
    model.build((None, *images[0].shape[1:]))
    # At the paper's 0.02 so small a network hardly moves.
    model.set_weights([w * 20 if w.ndim == 2 else w for w in model.get_weights()])
    return model


@functools.cache
def built_ali():
    model = ALI(latent_dim=4, filters=2, initial_std=0.2, seed=0)
    model.build((None, 32, 32, 3))
    return model


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def inferred(model, fn, *arrays):
    """``fn`` of one batch as the model's verbs compute it."""
    (result,) = engine.compile_inference(model, fn)([arrays], len(arrays[0]))
    return numpy(result)


def test_the_losses_are_each_others_with_swapped_labels(bigan):
    encoded, generated = (np.random.default_rng(i).normal(size=(5, 1)).astype("float32") for i in (0, 1))
    by_hand = np.mean(np.log1p(np.exp(-encoded))) + np.mean(np.log1p(np.exp(generated)))
    assert float(bigan.discriminator_loss(encoded, generated)) == pytest.approx(by_hand, rel=1e-5)
    assert float(bigan.generator_loss(generated, encoded)) == pytest.approx(by_hand, rel=1e-5)
    for loss in (bigan.discriminator_loss, bigan.generator_loss):
        assert float(loss(np.zeros((5, 1)), np.zeros((5, 1)))) == pytest.approx(2 * np.log(2))


@pytest.mark.parametrize("name", ["bigan", "ali"])
def test_the_encoders_pairs_are_judged_first(name, request):
    model = built_ali() if name == "ali" else request.getfixturevalue("bigan")
    rng = np.random.default_rng(0)
    x, fake = rng.random((2, 4, *model.image_shape), "float32")
    code, z = rng.normal(size=(2, 4, model.latent_dim)).astype("float32")

    def discriminate(x, z):
        return inferred(model, lambda x, z: model.discriminator([x, z]), x, z)[:, 0]

    encoded, generated = inferred(model, lambda *p: ops.concatenate(model.judge(*p), axis=1), x, code, fake, z).T
    np.testing.assert_allclose(encoded, discriminate(x, code), atol=1e-5)
    np.testing.assert_allclose(generated, discriminate(fake, z), atol=1e-5)
    assert np.abs(encoded - discriminate(x, z)).max() > 1e-3  # it does look at the code


def by_hand(weights, x, z):
    """The gradients of one step of a BiGAN in PyTorch: a list for encoder, generator and discriminator each."""
    torch = pytorch()
    functional = torch.nn.functional
    (e1, e2, e3), (g1, g2, g3), (d1, d2, d3) = weights

    def normal(h):
        return functional.batch_norm(h, None, None, training=True, eps=1e-8)

    def leaky(h):
        return functional.leaky_relu(h, 0.2)

    def discriminate(x, z):
        return leaky(normal(torch.cat([leaky(x @ d1), z], 1) @ d2)) @ d3

    code = leaky(normal(leaky(x @ e1) @ e2)) @ e3
    hidden = functional.relu(normal(z @ g1))
    fake = torch.sigmoid(functional.relu(normal(torch.cat([hidden, z], 1) @ g2)) @ g3)
    encoded, generated = discriminate(x, code), discriminate(fake, z)
    loss = (functional.softplus(-encoded) + functional.softplus(generated)).mean()
    swapped = (functional.softplus(encoded) + functional.softplus(-generated)).mean()
    movers = [*weights[0], *weights[1]]
    moved = torch.autograd.grad(swapped, movers, retain_graph=True)
    return moved[:3], moved[3:], torch.autograd.grad(loss, weights[2])


def test_a_step_is_the_papers(bigan, images):
    """All three networks move from where they stand, the encoder and the generator on the swapped labels."""
    torch = pytorch()
    networks = (bigan.encoder, bigan.generator, bigan.discriminator)
    before = [[torch.tensor(numpy(v), requires_grad=True) for v in n.trainable_variables] for n in networks]
    z = np.random.default_rng(1).uniform(-1, 1, (20, 3)).astype("float32")
    gradients = by_hand(before, torch.tensor(images[0].reshape(20, -1) / np.float32(255)), torch.tensor(z))
    bigan.noise = lambda batch_size: ops.convert_to_tensor(z)
    bigan.compile(keras.optimizers.SGD(0.1))
    bigan.fit(images[0], batch_size=20, verbose=0)
    for network, starts, slopes in zip(networks, before, gradients, strict=True):
        for v, start, slope in zip(network.trainable_variables, starts, slopes, strict=True):
            np.testing.assert_allclose(numpy(v), (start - 0.1 * slope).detach().numpy(), atol=2e-5)
            assert slope.abs().max() > 1e-3


def test_latents_are_uniform_in_training_and_in_sampling():
    model = BiGAN(seed=0)
    for z in (numpy(model.noise(400)), model.latents(400, np.random.default_rng(0))):
        assert (z.shape, z.dtype) == ((400, 50), np.float32)
        assert stats.kstest(z.ravel(), stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_a_bigan_does_not_know_where_its_pixels_are(bigan, images):
    """Shuffled pixels and equally shuffled first and last kernels: the same game."""
    order = np.random.default_rng(0).permutation(64)
    x, shuffled = images[0], images[0].reshape(20, 64)[:, order].reshape(20, 8, 8, 1)
    other = BiGAN(latent_dim=3, hidden_dim=6, seed=0)
    other.build((None, 8, 8, 1))
    other.set_weights(bigan.get_weights())
    for network in (other.encoder, other.discriminator):
        kernel = network.trainable_variables[0]
        kernel.assign(numpy(kernel)[order])
    last = other.generator.trainable_variables[-1]
    last.assign(numpy(last)[:, order])
    histories = [m.fit(data, batch_size=20, epochs=3, verbose=0) for m, data in ((bigan, x), (other, shuffled))]
    for key, values in histories[0].history.items():
        np.testing.assert_allclose(histories[1].history[key], values, rtol=1e-4)
    np.testing.assert_allclose(other.encode(shuffled), bigan.encode(x), atol=1e-3)


def test_bigans_networks_and_optimizers_are_the_papers():
    model = BiGAN()
    model.build((None, 28, 28, 1))
    counts = [sum(int(np.prod(v.shape)) for v in n.trainable_variables) for n in (model.encoder, model.generator)]
    assert counts == [784 * 1024 + 1024**2 + 1024 * 50, 50 * 1024 + (1024 + 50) * 1024 + 1024 * 784]
    assert sum(int(np.prod(v.shape)) for v in model.discriminator.trainable_variables) == (
        784 * 1024 + (1024 + 50) * 1024 + 1024
    )
    assert all(numpy(v).std() == pytest.approx(0.02, rel=0.1) for v in model.trainable_variables)
    model.compile()
    assert_adam(model, 2e-4)


def test_alis_networks_and_optimizers_are_the_papers():
    model = ALI()
    assert (model.latent_dim, model.filters, model.dropout, model.initial_std) == (64, 32, 0.2, 0.01)
    model.compile()
    assert_adam(model, 1e-4)
    model, f = built_ali(), 2  # 32 in the paper
    convolutions = [f * 3 * 25, 2 * f * f * 16, 4 * f * 2 * f * 16, 8 * f * 4 * f * 16, 16 * f * 8 * f * 16]
    assert kernels(model.encoder) == [*convolutions, (16 * f) ** 2, 16 * f * 2 * 4]
    transposed = [4 * 8 * f * 16, 4 * f * 8 * f * 16, 2 * f * 4 * f * 16, f * 2 * f * 16, f * f * 25, f * f, f * 3]
    assert kernels(model.generator) == transposed
    joint = [4 * 16 * f, (16 * f) ** 2, (32 * f) ** 2, (32 * f) ** 2, 32 * f]
    assert sorted(kernels(model.discriminator)) == sorted([*convolutions, *joint])


def kernels(network):
    return [int(np.prod(v.shape)) for v in network.trainable_variables if len(v.shape) > 1]


def assert_adam(model, rate):
    for player in model.players:
        optimizer = model.optimizer[player]
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert (float(optimizer.learning_rate), optimizer.beta_1) == (pytest.approx(rate), 0.5)


def test_ali_draws_codes_in_training_and_encodes_to_their_mean(monkeypatch):
    model, rng = built_ali(), np.random.default_rng(0)
    x, epsilon = rng.random((4, 32, 32, 3), "float32"), rng.normal(size=(4, 4)).astype("float32")
    mean, log_sigma = np.split(inferred(model, lambda x: model.encoder(x), x), 2, axis=1)
    np.testing.assert_allclose(model.encode(x), mean, atol=1e-5)
    monkeypatch.setattr(model, "normal", lambda shape: ops.convert_to_tensor(epsilon))
    codes = inferred(model, lambda x: model.infer(x), x)
    np.testing.assert_allclose(codes, mean + np.exp(log_sigma) * epsilon, atol=1e-5)


@pytest.mark.parametrize("shape", [(22, 20, 1), (20, 30, 1), (16, 20, 1)], ids=str)
def test_ali_refuses_sizes_that_its_convolutions_do_not_fit(shape):
    model = ALI()
    with pytest.raises(ValueError, match=r"at least 20, divisible by 4\. Received: image shape .*for example to"):
        model.fit(np.zeros((4, *shape), "uint8"), verbose=0)
    assert not model.built


def digits(mnist_dir):
    """10,000 training digits and 1000 test digits, each as images and labels, and all training images."""
    train, test = (genzoo.data.load("mnist", split, data_dir=mnist_dir) for split in ("train", "test"))
    return (train.images[:10_000], train.labels[:10_000]), (test.images[:1000], test.labels[:1000]), train.images


def nearest(vectors, labels):
    return KNeighborsClassifier(1).fit(vectors, labels)


@pytest.mark.slow
def test_bigans_codes_tell_digits_apart(mnist_dir):
    """Those of untrained networks of this size do it for 85 to 87 % of these digits, pixels for 95 %."""
    (known, labels), (asked, truth), images = digits(mnist_dir)
    model = genzoo.get("bigan", hidden_dim=256, seed=0)
    model.fit(images, epochs=20, verbose=0)
    share = nearest(model.encode(known), labels).score(model.encode(asked), truth)
    print(f"BiGAN, {keras.config.backend()}: {share:.1%} are told apart by their codes")
    assert share > 0.89


@pytest.mark.slow
def test_alis_reconstructions_keep_the_class(mnist_dir):
    """By chance a tenth of them would."""
    (known, labels), (asked, truth), images = digits(mnist_dir)
    model = genzoo.get("ali", filters=8, latent_dim=16, seed=0)
    model.compile(keras.optimizers.Adam(4e-4, beta_1=0.5))
    model.fit(images, epochs=10, verbose=0)
    reconstructions = model.reconstruct(asked).reshape(1000, -1)
    share = nearest(known.reshape(10_000, -1) / 255, labels).score(reconstructions, truth)
    print(f"ALI, {keras.config.backend()}: {share:.1%} of the reconstructions keep their class")
    assert share > 0.3
