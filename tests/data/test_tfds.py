"""TensorFlow Datasets and keras.datasets: the images are the published ones, with and without TensorFlow."""

import gzip
import os

import numpy as np
import pytest
from places import ROOT
from processes import run_python

from genzoo import data
from genzoo.data import named

SHARED = ROOT.parent / "shared" / "data"
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]  # of MNIST, published


def idx(path):
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, ">i4", content[3], 4)
    return np.frombuffer(content, "uint8", offset=4 + 4 * content[3]).reshape(shape)


@pytest.fixture(scope="module")
def mnist(mnist_dir):
    return data.load("mnist", data_dir=mnist_dir, shuffle=False)


def test_mnist_is_whole(mnist):
    assert mnist.images.shape == (60000, 28, 28, 1)
    assert mnist.images.dtype == np.uint8
    assert mnist.labels.dtype == np.int64
    assert np.bincount(mnist.labels).tolist() == TRAIN_COUNTS


def test_mnist_is_the_original(mnist):
    if not (SHARED / "mnist").is_dir():
        pytest.skip(f"needs the original files of MNIST in {SHARED / 'mnist'}")
    images = idx(next((SHARED / "mnist").glob("train-images*")))
    labels = idx(next((SHARED / "mnist").glob("train-labels*")))
    # TFDS shuffles when it writes: the same images with the same labels, in another order.
    assert sorted(_fingerprints(mnist.images, mnist.labels)) == sorted(_fingerprints(images, labels))


def _fingerprints(images, labels):
    sums = images.reshape(len(images), -1).astype("int64") @ np.random.default_rng(0).integers(1, 2**40, 784)
    return zip(sums.tolist(), labels.tolist(), strict=True)


def test_tfds_slices_are_taken(mnist, mnist_dir):
    part = data.load("mnist", "train[100:150]", data_dir=mnist_dir, shuffle=False)
    np.testing.assert_array_equal(part.images, mnist.images[100:150])
    np.testing.assert_array_equal(part.labels, mnist.labels[100:150])


def test_unknown_split_of_tfds_says_which_there_are(mnist_dir):
    with pytest.raises(ValueError, match=r"Unknown split 'validation'. Should be one of \['train', 'test'\]"):
        data.load("mnist", "validation", data_dir=mnist_dir)


def test_what_does_not_fit_in_memory_streams_the_same_images(mnist, mnist_dir, monkeypatch):
    monkeypatch.setattr(named, "IN_MEMORY_BYTES", 1000)
    stream = data.load("mnist", "train[:50]", data_dir=mnist_dir, batch_size=20, shuffle=False)
    batches = list(stream.as_numpy_iterator())
    assert [len(b["image"]) for b in batches] == [20, 20, 10]
    np.testing.assert_array_equal(np.concatenate([b["image"] for b in batches]), mnist.images[:50])
    np.testing.assert_array_equal(np.concatenate([b["label"] for b in batches]), mnist.labels[:50])


def test_stream_is_shuffled_by_seed(mnist_dir, monkeypatch):
    monkeypatch.setattr(named, "IN_MEMORY_BYTES", 1000)
    first, again, other = (
        np.concatenate([b["label"] for b in data.load("mnist", "train[:200]", data_dir=mnist_dir, seed=seed)])
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


ARRAY_RECORD = "GENZOO_TEST_ARRAY_RECORD"


@pytest.fixture
def array_record_dir():
    folder = os.environ.get(ARRAY_RECORD)
    if not folder:
        pytest.skip(f"needs a TFDS store of MNIST in array_record format: set {ARRAY_RECORD} to its folder")
    return folder


def test_array_record_store_is_read_without_tensorflow(array_record_dir, tmp_path):
    code = f"""
import genzoo, numpy as np, keras
found = genzoo.data.load("mnist", "train[:300]", data_dir={array_record_dir!r}, shuffle=False)
assert keras.backend.backend() == "jax" and "tensorflow" not in sys.modules
np.savez({str(tmp_path / "a.npz")!r}, image=found.images, label=found.labels)
"""
    pytest.importorskip("jax", reason="needs jax beside TensorFlow")
    run_python(code, hidden=["tensorflow"], KERAS_BACKEND="jax")
    with np.load(tmp_path / "a.npz") as found:
        assert found["image"].shape == (300, 28, 28, 1)
        assert found["image"].dtype == np.uint8
        assert (found["image"].min(), found["image"].max()) == (0, 255)
        assert len(np.bincount(found["label"])) == 10


@pytest.mark.parametrize("image_size", [None, (14, 20)])
def test_both_formats_of_a_store_give_the_same_images(mnist_dir, array_record_dir, image_size):
    one, other = (
        data.load("mnist", "test[:50]", data_dir=folder, image_size=image_size, shuffle=False)
        for folder in (mnist_dir, array_record_dir)
    )
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.labels, other.labels)


@pytest.fixture(scope="module")
def tfrecord_dir(tmp_path_factory):
    """A store of a few images, called MNIST, as TensorFlow writes it by default."""
    pytest.importorskip("tensorflow", reason="needs TensorFlow to write a store")
    folder = tmp_path_factory.mktemp("tfrecord")
    code = f"""
import numpy as np, tensorflow as tf, tensorflow_datasets as tfds
features = {{"image": tfds.features.Image(shape=(28, 28, 1)), "label": tfds.features.ClassLabel(num_classes=10)}}
images = np.arange(12 * 784).reshape(12, 28, 28, 1).astype("uint8")
made = tf.data.Dataset.from_tensor_slices({{"image": images, "label": np.arange(12) % 10}})
tfds.dataset_builders.AdhocBuilder(
    name="mnist", version="3.0.1", features=tfds.features.FeaturesDict(features),
    split_datasets={{"train": made, "test": made.take(4)}}, data_dir={str(folder)!r},
).download_and_prepare()
"""
    run_python(code)
    return folder


@pytest.mark.parametrize("missing", ["tensorflow", "tensorflow_datasets"])
def test_a_store_that_cannot_be_read_is_not_passed_over_for_a_download(tfrecord_dir, tmp_path, missing):
    pytest.importorskip("jax", reason="needs jax beside TensorFlow")
    code = f"""
import genzoo
try:
    genzoo.data.load("mnist", data_dir={str(tfrecord_dir)!r})
except ModuleNotFoundError as error:
    print(error)
"""
    said, _ = run_python(code, hidden=[missing], KERAS_BACKEND="jax", KERAS_HOME=tmp_path, GENZOO_CACHE="")
    assert str(tfrecord_dir / "mnist") in said
    assert not list(tmp_path.iterdir()) or not (tmp_path / "datasets").exists()
    if missing == "tensorflow_datasets":
        assert "Install it: pip install genzoo[data]" in said
        return
    assert "holds 'mnist' in tfrecord format, which only TensorFlow reads. Install it: pip install tensorflow" in said
    run_python(f"import os\nos.chdir({str(tmp_path)!r})\n" + said.strip().split('python -c "')[1].removesuffix('"'))
    code = f"""
import genzoo
print(len(genzoo.data.load("mnist", data_dir={str(tmp_path / "array_record")!r}).images))
"""
    assert run_python(code, hidden=["tensorflow"], KERAS_BACKEND="jax")[0].split()[-1] == "12"


def test_classes_of_a_store_have_their_names(tfrecord_dir):
    assert data.load("mnist", data_dir=tfrecord_dir).class_names == tuple("0123456789")


def test_without_tensorflow_and_store_keras_datasets_step_in(tmp_path):
    if not (SHARED / "fashion_mnist").is_dir():
        pytest.skip(f"needs the original files of Fashion-MNIST in {SHARED / 'fashion_mnist'}")
    pytest.importorskip("jax", reason="needs jax beside TensorFlow")
    (tmp_path / "datasets" / "fashion-mnist").mkdir(parents=True)
    for file in (SHARED / "fashion_mnist").glob("*.gz"):
        (tmp_path / "datasets" / "fashion-mnist" / file.name).symlink_to(file)
    code = f"""
import genzoo, numpy as np
found = genzoo.data.load("fashion_mnist", "test", data_dir={str(tmp_path / "none")!r})
np.savez({str(tmp_path / "a.npz")!r}, image=found.images, label=found.labels)
try:
    genzoo.data.load("cifar100", data_dir={str(tmp_path / "none")!r})
except ModuleNotFoundError as error:
    print(error)
"""
    printed, _ = run_python(code, hidden=["tensorflow"], KERAS_BACKEND="jax", KERAS_HOME=tmp_path)
    assert "Without TensorFlow, TFDS reads only prepared stores in array_record format" in printed
    with np.load(tmp_path / "a.npz") as found:
        np.testing.assert_array_equal(
            found["image"][..., 0], idx(SHARED / "fashion_mnist" / "t10k-images-idx3-ubyte.gz")
        )
        np.testing.assert_array_equal(found["label"], idx(SHARED / "fashion_mnist" / "t10k-labels-idx1-ubyte.gz"))
