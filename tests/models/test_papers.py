"""What the papers and the seed document fix."""

import keras
import numpy as np
import pytest
from backends import pytorch
from keras import ops
from small_models import small

import genzoo


def test_vae_is_the_seeds_784_400_20():
    model = genzoo.get("vae")
    model.build((None, 28, 28, 1))
    assert (model.latent_dim, model.hidden_dim, model.batch_size) == (20, 400, 128)
    assert model.encoder.count_params() == 784 * 400 + 400 + 2 * (400 * 20 + 20)
    assert model.decoder.count_params() == 20 * 400 + 400 + 400 * 784 + 784


def test_vae_of_two_layers_is_as_large_as_the_weights_that_pythae_published():
    model = genzoo.get("vae", hidden_dim=400, num_layers=2, latent_dim=40)
    model.build((None, 28, 28, 1))
    assert 4 * model.encoder.count_params() == 2_025_920
    assert 4 * model.decoder.count_params() == 1_964_736


@pytest.mark.parametrize("name", ["vae", "conv-vae", "beta-vae", "cvae", "iwae"])
def test_num_layers_counts_dense_hidden_layers(name):
    counts = []
    for options in ({"num_layers": 1}, {}, {"num_layers": 4}):
        model = small(name, **options)
        model.build((None, 8, 8, 1))
        hidden = [[layer for layer in network.layers if getattr(layer, "units", 0) == model.hidden_dim]
                  for network in (model.encoder, model.decoder)]  # fmt: skip
        counts.append((model.num_layers, *map(len, hidden)))
    assert counts == [(n, n, n) for n in (1, 1 if name == "vae" else 2, 4)]


def test_vae_starts_as_the_seeds_pytorch_layers_do():
    torch = pytorch()
    model = genzoo.get("vae", seed=0)
    model.build((None, 28, 28, 1))
    layers = [layer for network in (model.encoder, model.decoder) for layer in network.layers if layer.weights]
    for layer in layers:
        kernel, bias = layer.get_weights()
        bound = torch.nn.Linear(*kernel.shape).weight.abs().max().item()
        assert np.abs(kernel).max() == pytest.approx(bound, rel=0.02)
        assert 0.5 * bound < np.abs(bias).max() <= 1.001 * kernel.shape[0] ** -0.5


def test_dcgan_is_the_tutorials():
    model = genzoo.get("dcgan")
    model.build((None, 28, 28, 1))
    assert (model.latent_dim, model.batch_size) == (100, 256)
    assert model.generator.count_params() == 2_330_944  # as the TensorFlow tutorial's summary prints
    assert model.discriminator.count_params() == 212_865


@pytest.mark.parametrize("shape", [(30, 28, 1), (28, 9, 1)], ids=str)
def test_dcgan_refuses_sizes_that_four_does_not_divide(shape):
    model = genzoo.get("dcgan")
    with pytest.raises(ValueError, match=r"divisible by 4.*Received: image shape .*for example to"):
        model.fit(np.zeros((4, *shape), "uint8"), verbose=0)
    assert not model.built


@pytest.mark.skipif(
    keras.config.backend() == "tensorflow", reason="TensorFlow has no channels_first convolutions on CPU"
)
@pytest.mark.parametrize("name", ["vae", "conv-vae", "dcgan", "cdcgan"])  # flattened, and all with convolutions
def test_channels_first(name):
    keras.config.set_image_data_format("channels_first")
    try:
        model = small(name)
        model.fit(np.zeros((4, 3, 8, 12), "uint8"), np.arange(4), verbose=0)
        assert model.sample(2, seed=0).shape == (2, 3, 8, 12)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_vae_loss_is_the_negative_elbo_in_nats(images):
    model = small("vae")
    model.fit(images[0], verbose=0)
    scores = model.evaluate(images[0], verbose=0, return_dict=True)
    assert scores["loss"] == pytest.approx(scores["reconstruction_loss"] + scores["kl_loss"], rel=1e-5)
    mean, log_variance = (ops.convert_to_numpy(t) for t in model.encoder(images[0].astype("float32") / 255))
    kl = 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=1).mean()
    assert scores["kl_loss"] == pytest.approx(kl, rel=1e-4)


@pytest.mark.slow
def test_vae_on_fashion_mnist_reaches_the_seeds_elbo(mnist_dir):
    model = genzoo.get("vae", seed=0)
    train, test = (genzoo.data.load("fashion_mnist", split, data_dir=mnist_dir) for split in ("train", "test"))
    model.fit(train, epochs=10, verbose=0)
    score = model.evaluate(test, verbose=0, return_dict=True)["loss"]
    print(f"negative ELBO on Fashion-MNIST, {keras.config.backend()}: {score:.2f}")
    assert score <= 245
