"""Feature networks: those that come with genzoo against NumPy and real images, what is refused, and FID in them."""

import fnmatch
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tomllib

import keras
import numpy as np
import pytest
from PIL import Image
from places import ROOT
from scipy import ndimage
from sklearn.datasets import load_digits

import genzoo
from genzoo.metrics import features, frechet_distance, kernel_distance
from genzoo.metrics.features import NETWORKS, SHIPPED, feature_network

ACCURACY = {"mnist": 0.992, "fashion_mnist": 0.915}
torch_only = pytest.mark.skipif(keras.config.backend() != "torch", reason="torchmetrics needs torch")


@pytest.fixture(scope="module")
def digits():
    """Sixty digits that come with scikit-learn, enlarged to ``(60, 28, 28, 1)`` uint8."""
    planes = [Image.fromarray((image * 15.9).astype("uint8")).resize((28, 28)) for image in load_digits().images[:60]]
    return np.stack([np.asarray(plane) for plane in planes])[..., None]


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


def small_model(shape, **options):
    layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(3, **options)]
    return keras.Sequential(layers, name="small")


# What comes with genzoo.


def by_hand(name, images):
    """Features and probabilities in NumPy, float64."""
    with np.load(NETWORKS / f"{name}.npz", allow_pickle=False) as arrays:
        weights = iter([arrays[key].astype("float64") for key in sorted(arrays)])

    def normalised(x):
        gamma, beta, mean, variance = (next(weights) for _ in range(4))
        return np.maximum(0, gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta)

    x = images / 255.0
    for pooled in (True, True, False, True):
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), (3, 3), (1, 2))
        x = normalised(np.einsum("nijcyx,yxco->nijo", windows, next(weights), optimize=True))
        if pooled:
            n, height, width, channels = x.shape
            x = (
                x[:, : height // 2 * 2, : width // 2 * 2]
                .reshape(n, height // 2, 2, width // 2, 2, channels)
                .max((2, 4))
            )
    found = normalised(x.reshape(len(x), -1) @ next(weights))
    logits = found @ next(weights) + next(weights)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return found, odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_networks_equal_numpy(name, digits):
    network = feature_network(name)
    expected, probabilities = by_hand(name, digits)
    found = network(digits, batch_size=25)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(network.probabilities(digits, batch_size=25), probabilities, atol=1e-5)
    assert (found.shape, found.dtype) == ((60, 64), np.float32)
    assert feature_network(name) is network is feature_network(network)


@pytest.mark.skipif(keras.config.backend() == "torch", reason="the same as NumPy's there, too, and slower")
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_networks_know_the_test_images(name, mnist_dir):
    test = genzoo.data.load(name, "test", data_dir=mnist_dir)
    network = feature_network(name)
    assert len(test.images) == 10_000
    assert np.mean(network.probabilities(test.images).argmax(axis=1) == test.labels) >= ACCURACY[name]


def test_shipped_files_are_small_and_in_the_package():
    files = {path.name for path in NETWORKS.iterdir()}
    assert files == {f"{name}.npz" for name in SHIPPED}
    assert all((NETWORKS / name).stat().st_size <= 1e6 for name in files)
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["genzoo"]
    for name in files:
        assert any(fnmatch.fnmatch(f"metrics/networks/{name}", pattern) for pattern in packaged)


def test_another_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "NETWORKS", tmp_path)
    path = tmp_path / "mnist.npz"
    load = features._shipped.__wrapped__  # past the cache
    shutil.copy(NETWORKS / "mnist.npz", path)
    assert load("mnist").sha256 == SHIPPED["mnist"]
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    for received in ("Received: [0-9a-f]{64}", "Received: no file"):
        with pytest.raises(
            ValueError, match=rf"mnist.npz is not .*Expected: SHA-256 328ef.*{received}. Install genzoo"
        ):
            load("mnist")
        path.unlink(missing_ok=True)


def test_the_policy_of_the_process_is_not_the_networks(digits):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = features._shipped.__wrapped__("mnist")(digits)
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_allclose(found, by_hand("mnist", digits)[0], atol=1e-4)


def test_nobody_elses_random_numbers_are_taken(digits):
    before = random.getstate(), np.random.get_state()[1].tolist()
    features._shipped.__wrapped__("mnist")(digits[:1])
    assert before == (random.getstate(), np.random.get_state()[1].tolist())


# What goes in.


def test_images_come_as_bytes_or_floats_of_any_number(digits):
    network = feature_network("mnist")
    expected = network(digits)
    for images, size in (((digits / 255), 256), ((digits / 255).astype("float32"), 7), (digits, 60)):
        np.testing.assert_allclose(network(images, batch_size=size), expected, atol=1e-5)
    np.testing.assert_allclose(network(digits[:1]), expected[:1], atol=1e-5)


def test_images_of_another_size_are_resized_and_the_protocol_says_so(digits):
    network = feature_network("mnist")
    large = np.pad(digits, [(0, 0), (2, 2), (2, 2), (0, 0)])
    planes = [Image.fromarray(image[..., 0] / np.float32(255)).resize((28, 28), Image.BILINEAR) for image in large]
    np.testing.assert_allclose(network(large), network(np.stack(planes)[..., None]), atol=1e-5)
    assert network.probabilities(large.repeat(2, axis=1)).shape == (60, 10)
    resize = "28x28, bilinear with antialiasing (Pillow)"
    assert json.loads(json.dumps(network.protocol())) == {"name": "mnist", "sha256": SHIPPED["mnist"], "resize": resize}


def test_resizing_smooths_before_it_drops_pixels():
    """Halving by a triangle: an eighth, three eighths, three eighths, an eighth. Dropping pixels would give stripes."""
    image = np.random.default_rng(0).random((1, 16, 12, 3), dtype="float32")
    network = feature_network(keras.Sequential([keras.Input((8, 6, 3)), keras.layers.Flatten()]))
    halved = network(image).reshape(8, 6, 3)[1:-1, 1:-1]
    kernel = np.array([1, 3, 3, 1]) / 8
    windows = np.lib.stride_tricks.sliding_window_view(image[0], (4, 4), (0, 1))[1:-1:2, 1:-1:2]
    np.testing.assert_allclose(halved, np.einsum("ijcyx,y,x->ijc", windows, kernel, kernel), atol=1e-5)
    stripes = np.zeros((1, 16, 12, 3), "uint8")
    stripes[:, ::2] = 255
    np.testing.assert_allclose(network(stripes).reshape(8, 6, 3)[1:-1], 0.5, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((2, 28, 28, 3), "uint8"), r"'mnist' takes images of 1 channel\(s\). Received: 3. Choose another one"),
        (np.full((2, 28, 28, 1), 200.0), r"\[0, 1\]"),
        (np.full((2, 28, 28, 1), np.nan), "NaN"),
        (np.zeros((28, 28, 1)), "Expected images of shape"),
        (np.zeros((0, 28, 28, 1)), "empty"),
        (np.zeros((2, 28, 28, 1), "int32"), "uint8"),
    ],
    ids=["colour", "range", "NaN", "rank", "empty", "integers"],
)
def test_wrong_images_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        feature_network("mnist")(wrong)
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1"):
        feature_network("mnist")(np.zeros((2, 28, 28, 1), "uint8"), batch_size=0)


def test_shipped_networks_take_channels_first_where_keras_does(digits, channels_first):
    found = features._shipped.__wrapped__("mnist")(np.moveaxis(digits, -1, 1))
    np.testing.assert_allclose(found, by_hand("mnist", digits)[0], atol=1e-4)
    model = small_model((1, 28, 28))
    network = feature_network(model)
    assert (network.resize, network.channels) == ((28, 28), 1)
    np.testing.assert_allclose(
        network(np.moveaxis(digits, -1, 1)), model.predict_on_batch(np.moveaxis(digits, -1, 1) / 255), atol=1e-5
    )


# Other networks.


def test_a_model_is_a_network(digits):
    model = small_model((28, 28, 3))
    network = feature_network(model)
    assert (network.name, network.resize, network.channels) == ("small", (28, 28), 3)
    grey_thrice = digits.repeat(3, axis=-1).astype("float32") / 255
    np.testing.assert_allclose(network(digits), model.predict_on_batch(grey_thrice), atol=1e-5)
    with pytest.raises(NotImplementedError, match="'small' has no class probabilities"):
        network.probabilities(digits)
    again = keras.models.clone_model(model)
    again.set_weights(model.get_weights())
    assert feature_network(again).sha256 == network.sha256
    again.set_weights([1.001 * w for w in model.get_weights()])
    assert feature_network(again).sha256 != network.sha256
    of_any_size = keras.Sequential([keras.Input((None, None, 1)), keras.layers.GlobalAveragePooling2D()])
    found = feature_network(of_any_size)
    np.testing.assert_allclose(found(digits[:, :20]), digits[:, :20].mean(axis=(1, 2)) / 255, atol=1e-5)
    assert found.protocol()["resize"] is None


def test_features_of_a_model_in_half_precision_are_float32(digits):
    found = feature_network(small_model((28, 28, 1), dtype="mixed_bfloat16"))(digits)
    assert (found.shape, found.dtype) == ((60, 3), np.float32)


def test_a_function_is_a_network(digits):
    seen = []

    def flat(images):
        seen.append((images.shape, images.dtype, images.max()))
        return keras.ops.reshape(images, (len(images), -1))

    network = feature_network(flat)
    np.testing.assert_allclose(network(digits, batch_size=40), digits.reshape(60, -1) / 255, atol=1e-6)
    assert [shape for shape, _, _ in seen] == [(40, 28, 28, 1), (20, 28, 28, 1)]
    assert all(dtype == np.float32 and largest <= 1 for _, dtype, largest in seen)
    assert network.protocol()["name"].endswith("flat")
    assert (network.sha256, network.resize, network.channels) == (None, None, None)
    with pytest.raises(ValueError, match=r"Features must have the shape \(n, d\). Received: \(60, 28, 28, 1\)"):
        feature_network(lambda images: images)(digits)
    with pytest.raises(ValueError, match=r"\(n, d\). Received: \(2, 28\) of .*<lambda>' for 60 image"):
        feature_network(lambda images: images[:1, :, 0, 0])(digits, batch_size=40)


def test_what_is_no_network():
    with pytest.raises(ValueError, match=r"'mnits'.*Did you mean 'mnist'"):
        feature_network("mnits")
    two = [keras.Input((4, 4, 1)), keras.Input((4, 4, 1))]
    with pytest.raises(ValueError, match=r"functional model of one batch of images. Received: Functional with inputs"):
        feature_network(keras.Model(two, keras.layers.add(two)))
    with pytest.raises(ValueError, match="Received: GAN with inputs None"):
        feature_network(genzoo.get("gan"))


@pytest.mark.skipif(keras.config.backend() != "torch", reason="the others compile it first, for half a minute")
def test_inception_sees_images_on_its_scale(digits, monkeypatch):
    """The same network with random weights, so that none are downloaded; whatever the policy of the process."""
    built, build, before = [], keras.applications.InceptionV3, random.getstate()
    monkeypatch.setattr(
        keras.applications, "InceptionV3", lambda weights: built.append(build(weights=None)) or built[0]
    )
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = features._inception.__wrapped__()
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert random.getstate() == before
    planes = [
        Image.fromarray(image[..., 0] / np.float32(255)).resize((299, 299), Image.BILINEAR) for image in digits[:3]
    ]
    images = 255 * np.stack(planes)[..., None].repeat(3, axis=-1)
    model = keras.Model(built[0].input, built[0].get_layer("avg_pool").output)
    expected = model.predict_on_batch(keras.applications.inception_v3.preprocess_input(images))
    np.testing.assert_allclose(network(digits[:3]), expected, atol=1e-3 * expected.max())
    assert network.probabilities(digits[:3]).shape == (3, 1000)


@pytest.mark.slow
def test_inception_gives_2048_features(digits):
    try:
        network = feature_network("inception")
    except OSError as error:
        pytest.skip(f"needs the network: {error}")
    assert network(digits[:2]).shape == (2, 2048)
    np.testing.assert_allclose(network.probabilities(digits[:2]).sum(axis=1), 1, rtol=1e-4)
    assert network.protocol()["resize"].startswith("299x299")


# Distances in features.


@pytest.fixture(scope="module")
def mnist(mnist_dir):
    """Training and test images."""
    return [genzoo.data.load("mnist", f"{split}[:2000]", data_dir=mnist_dir) for split in ("train", "test")]


@pytest.fixture(scope="module")
def to_train(mnist):
    network = feature_network("mnist")
    train = network(mnist[0].images)
    return lambda images: frechet_distance(train, network(images))


def test_test_images_are_near_and_noise_is_far(mnist, to_train):
    noise = np.random.default_rng(0).random(mnist[1].images.shape)
    near, far = to_train(mnist[1].images), to_train(noise)
    assert near < 0.5
    assert far > 100 * near


def blurred(x, sigma):
    return ndimage.gaussian_filter(x, (0, sigma, sigma, 0))


def noisy(x, scale):
    return (x + scale * np.random.default_rng(0).standard_normal(x.shape)).clip(0, 1)


def with_noise(x, share):
    return np.concatenate([np.random.default_rng(0).random(x.shape)[: int(share * len(x))], x[int(share * len(x)) :]])


@pytest.mark.once
@pytest.mark.parametrize(
    ("spoilt", "amounts"),
    [(blurred, (0.5, 1, 1.5, 2, 3)), (noisy, (0.1, 0.2, 0.4, 0.8)), (with_noise, (0.05, 0.2, 0.5, 1))],
)
def test_the_distance_grows_with_what_is_spoilt(mnist, to_train, spoilt, amounts):
    images = mnist[1].images / 255
    found = [to_train(images), *(to_train(spoilt(images, amount)) for amount in amounts)]
    assert (np.diff(found) > 0).all(), found


@pytest.mark.once
def test_the_distance_grows_with_each_class_that_is_missing(mnist, to_train):
    images, labels = mnist[1].images, mnist[1].labels
    found = [to_train(images[labels < classes]) for classes in (10, 8, 6, 4, 2, 1)]
    assert (np.diff(found) > 0).all(), found


@torch_only
@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all:UserWarning")
def test_torchmetrics_finds_the_same_in_these_features(digits):
    pytest.importorskip("torchmetrics", reason="needs torchmetrics: pip install 'genzoo[reference]'")
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    network = feature_network("mnist")

    class Features(torch.nn.Module):
        num_features = 64

        def forward(self, images):
            return torch.as_tensor(network(images.numpy()), dtype=torch.float64)

    fid, kid = FrechetInceptionDistance(feature=Features()), KernelInceptionDistance(Features(), 2, 60)
    other = 255 - digits
    for images, real in ((digits, True), (other, False)):
        fid.set_dtype(torch.float64).update(torch.as_tensor(images), real=real)
        kid.update(torch.as_tensor(images), real=real)
    assert frechet_distance(network(digits), network(other)) == pytest.approx(float(fid.compute()), rel=1e-5)
    found = kernel_distance(network(digits), network(other), subset_size=60, subsets=2)
    assert found.value == pytest.approx(float(kid.compute()[0]), rel=1e-6)


# How they were made.


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="the script was run on TensorFlow")
def test_the_script_trains_them(mnist_dir, tmp_path):
    """One epoch to warm up, and one in which the rate decays."""
    command = [sys.executable, ROOT / "scripts/train_feature_networks.py", "mnist", "--epochs", "2", "--out", tmp_path]
    environment = {**os.environ, "TFDS_DATA_DIR": mnist_dir}
    said = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout
    (path,) = tmp_path.iterdir()
    model = features.classifier()
    with np.load(path, allow_pickle=False) as arrays:
        model.set_weights([arrays[key] for key in sorted(arrays)])
    test = genzoo.data.load("mnist", "test", data_dir=mnist_dir)
    found = model.predict(test.images / np.float32(255), 500, 0).argmax(axis=1)
    accuracy = np.mean(found == test.labels)
    assert accuracy > 0.97
    assert f"{path}: test accuracy {100 * accuracy:.2f} %" in said
    assert f"SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}" in said
