"""pix2pix: its two networks, its losses, translation by a seed, pairs as data, and facades as real ones."""

import csv
import os
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import genzoo
from genzoo import viz
from genzoo.cli.app import app
from genzoo.layers import Conv2D, Conv2DTranspose
from genzoo_plugins.pix2pix import Pix2Pix


def small(**config):
    model = Pix2Pix(**{"filters": 4, "depth": 2, "patch": 16, "seed": 0, **config})
    model.compile()
    return model


def built(shape, **config):
    model = small(**config)
    model.build((None, *shape))
    return model


def convolutions(network):
    """Units and output height of every convolution, in order."""
    found = [layer for layer in network.layers if isinstance(layer, (Conv2D, Conv2DTranspose))]
    return [(layer.filters, layer.output.shape[1]) for layer in found]


@pytest.fixture(scope="module")
def pairs():
    """Grey steps and their negatives, 8x8."""
    x = np.random.default_rng(0).integers(0, 256, (6, 2, 2, 1), dtype="uint8").repeat(4, axis=1).repeat(4, axis=2)
    return x, 255 - x


@pytest.fixture(scope="module")
def trained(pairs):
    """A model that has learnt to invert them, and the history of that."""
    model = small()
    model.compile(keras.optimizers.Adam(0.005, beta_1=0.5))
    return model, model.fit(*pairs, batch_size=2, epochs=20, verbose=0).history


# The networks.


@pytest.mark.parametrize(("patch", "size"), [(1, 8), (16, 8), (70, 16), (286, 64)])
def test_each_of_the_discriminators_numbers_sees_a_patch_of_this_size(patch, size):
    model = built((size, size, 3), patch=patch, filters=1)
    field, jump = 1, 1
    for layer in model.discriminator.layers:
        if isinstance(layer, Conv2D):
            field, jump = field + (layer.kernel_size[0] - 1) * jump, jump * layer.strides[0]
    assert field == patch
    assert model.discriminator.output_shape == (None, size // jump, size // jump, 1)


def test_the_papers_discriminator_has_as_many_weights_as_the_papers_code():
    assert built((16, 16, 3), filters=64, patch=70, depth=1).discriminator.count_params() == 2_768_705


def test_at_256_pixels_the_u_net_is_the_papers():
    model = built((256, 256, 3), depth=None, filters=1)
    down = [(1, 128), (2, 64), (4, 32), (8, 16), (8, 8), (8, 4), (8, 2), (8, 1)]
    up = [(8, 2), (8, 4), (8, 8), (8, 16), (4, 32), (2, 64), (1, 128), (3, 256)]
    assert convolutions(model.generator) == down + up
    joins = [layer.output.shape for layer in model.generator.layers if isinstance(layer, keras.layers.Concatenate)]
    assert [shape[1] for shape in joins] == [2, 4, 8, 16, 32, 64, 128]
    assert [shape[3] for shape in joins] == [16, 16, 16, 16, 8, 4, 2]
    assert model.latent_dim == 8 * (2**2 + 4**2 + 8**2)  # a number per unit of the three layers with dropout


@pytest.mark.parametrize(("shape", "depth"), [((8, 12, 1), 2), ((6, 10, 3), 1), ((64, 32, 3), 5), ((8, 8, 3), 3)])
def test_the_u_net_is_as_deep_as_the_image_allows(shape, depth):
    model = built(shape, depth=None)
    assert len(convolutions(model.generator)) == 2 * depth
    assert model.generator.output_shape == (None, *shape)


@pytest.mark.parametrize(
    ("config", "shape", "message"),
    [
        ({"depth": None}, (9, 8, 1), r"divisible by 2. Received: image shape \(9, 8, 1\).*to 10x8"),
        ({"depth": 4}, (24, 16, 3), r"depth of 4 .* divisible by 16. Received: .*\(24, 16, 3\).*to 32x16"),
        ({"patch": 70}, (8, 8, 3), r"Patches of 70 need images of at least 16x16. Received: .*\(8, 8, 3\)"),
    ],
)
def test_images_that_do_not_fit_are_refused(config, shape, message):
    model, x = small(**config), np.zeros((2, *shape), "uint8")
    with pytest.raises(ValueError, match=message):
        model.fit(x, x, verbose=0)
    assert not model.built


def test_only_patches_of_the_paper_are_taken():
    with pytest.raises(ValueError, match=r"`patch` must be one of 1, 16, 70, 286. Received: patch=32"):
        Pix2Pix(patch=32)


# What it minimises, and what comes of it.


def test_losses_are_the_papers(pairs):
    model, (x, y) = small(dropout=0.0, l1_weight=7.0), pairs
    scores = model.evaluate(x, y, batch_size=6, verbose=0, return_dict=True)
    x, translated, y = x / np.float32(255), model.translate(x), y / np.float32(255)
    real, fake = (keras.ops.convert_to_numpy(model.discriminator([x, images])) for images in (y, translated))
    l1 = np.abs(y - translated).mean()
    assert scores["l1"] == pytest.approx(l1, rel=1e-5)
    assert scores["generator_loss"] == pytest.approx(np.log1p(np.exp(-fake)).mean() + 7 * 2 * l1, rel=1e-5)
    discriminator = np.log1p(np.exp(-real)).mean() + np.log1p(np.exp(fake)).mean()
    assert scores["discriminator_loss"] == pytest.approx(discriminator / 2, rel=1e-5)


def test_mirror_turns_both_of_a_pair_round_in_training_alone(pairs):
    model, (x, y) = small(dropout=0.0, mirror=True), (side[:1] for side in pairs)
    model.compile(keras.optimizers.SGD(0.0))
    ways = (x, y), (x[:, :, ::-1], y[:, :, ::-1])
    both = [model.evaluate(*way, verbose=0, return_dict=True)["l1"] for way in ways]
    l1 = np.array(model.fit(x, y, epochs=12, verbose=0).history["l1"])
    turned = np.isclose(l1, both[1], rtol=1e-5)
    assert not np.isclose(*both, rtol=1e-4)
    assert 0 < turned.sum() < 12
    np.testing.assert_allclose(l1[~turned], both[0], rtol=1e-5)


def test_it_learns_to_invert(trained):
    l1 = trained[1]["l1"]
    assert l1[-1] < 0.5 * l1[0]


def test_a_seed_fixes_the_noise_of_every_image(trained, pairs):
    model, (x, _) = trained[0], pairs
    images = model.translate(x, seed=1)
    assert not np.array_equal(images, model.translate(x, seed=2))
    assert not np.array_equal(model.translate(x), model.translate(x))
    for size in (1, 4):
        np.testing.assert_allclose(model.translate(x, seed=1, batch_size=size), images, atol=1e-5)
    np.testing.assert_allclose(model.translate(x[:3], seed=1), images[:3], atol=1e-5)
    twice = model.translate(np.stack([x[0], x[0]]), seed=1)
    assert not np.array_equal(*twice)


def test_without_dropout_there_is_one_translation(pairs):
    model, (x, y) = small(dropout=0.0), pairs
    model.fit(x, y, verbose=0)
    np.testing.assert_array_equal(model.translate(x), model.translate(x, seed=5))


def test_predict_translates_and_leaves_the_random_state_alone(trained, pairs):
    model, (x, y) = trained[0], pairs
    images = model.predict(x, batch_size=2, verbose=0)
    assert images.shape == y.shape
    assert np.abs(images - y / 255).mean() < 0.5 * np.abs(x / 255 - y / 255).mean()
    np.testing.assert_array_equal(images, model.predict(x, batch_size=2, verbose=0))
    with pytest.raises(ValueError, match=r"built for images of shape \(8, 8, 1\)"):
        model.predict(x[:, :4], verbose=0)


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [("sample", (2,)), ("decode", (np.zeros((2, 8)),)), ("interpolate", (np.zeros((2, 8)),) * 2), ("traverse", ())],
)
def test_verbs_of_latents_are_refused(verb, arguments):
    with pytest.raises(NotImplementedError, match=rf"Pix2Pix makes images from images, so it cannot {verb}. Call tr"):
        getattr(built((8, 8, 1)), verb)(*arguments)


def test_only_a_model_of_pairs_translates(images):
    model = genzoo.get("vae", hidden_dim=4)
    model.build((None, 8, 8, 1))
    with pytest.raises(NotImplementedError, match="VAE has no translation, so it cannot translate"):
        model.translate(images[0])


# Pairs.


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, r"needs a target image beside every image. Received: none. Pass fit\(x, y\).*load_pairs"),
        (np.zeros(4, int), r"targets \(y\) of Pix2Pix are not images. .*Received: shape \(4,\)"),
        (np.full((4, 8, 8, 1), 2.0), r"targets \(y\) of Pix2Pix are not images. .* from 2 to 2"),
        (np.full((4, 8, 8, 1), np.nan), r"targets \(y\) of Pix2Pix are not images. .*NaN"),
        (np.zeros((4, 8, 8, 3), "uint8"), r"shape of their images, \(8, 8, 1\). Received: \(8, 8, 3\)"),
        (np.zeros((4, 8, 4, 1), "uint8"), r"shape of their images, \(8, 8, 1\). Received: \(8, 4, 1\)"),
        (np.zeros((3, 8, 8, 1), "uint8"), r"Received: 4 images and labels of shape \(3, 8, 8, 1\)"),
    ],
)
def test_what_is_no_target_is_refused(y, message):
    with pytest.raises(ValueError, match=message):
        small().fit(np.zeros((4, 8, 8, 1), "uint8"), y, verbose=0)


@pytest.mark.parametrize("batch", [(np.zeros((2, 8, 8, 1), "uint8"),), (np.zeros((2, 8, 8, 1)), np.zeros(2, int))])
def test_a_data_set_without_targets_is_refused(batch):
    with pytest.raises(ValueError, match=r"target.* image"):
        small().fit((batch for _ in range(2)), verbose=0)
    with pytest.raises(ValueError, match=r"target.* image"):
        small().train_on_batch(*batch)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "bool"])
def test_targets_of_every_dtype_mean_the_same(dtype):
    black, white = np.zeros((2, 8, 8, 1), dtype), np.full((2, 8, 8, 1), 255 if dtype == "uint8" else 1, dtype)
    model = built((8, 8, 1), dropout=0.0)
    scores = model.evaluate(white, np.concatenate([black[:1], white[:1]]), verbose=0, return_dict=True)
    # As far from black as it is near to white.
    assert scores["l1"] == pytest.approx(0.5, abs=1e-6)


def test_the_command_trains_shows_what_is_held_out_and_resumes(tmp_path, pairs):
    folder, run = tmp_path / "pairs", tmp_path / "run"
    folder.mkdir()
    for i in range(5):
        for end, images in zip("ab", pairs, strict=True):
            Image.fromarray(images[i, ..., 0]).save(folder / f"{i}_{end}.png")
    options = ("--set", "filters=2", "--set", "depth=1", "--set", "patch=1")
    genzoo_("train", "pix2pix", "--data", folder, "--epochs", 1, "--out", run, *options)
    genzoo_("resume", run, "--epochs", 2)
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_l1"]) > 0 for row in rows] == [True, True]
    held_out = genzoo.data.load_pairs(folder, "test")
    translated = genzoo.load(run).translate(held_out.images, seed=0)
    grid = np.asarray(Image.open(run / "samples" / "epoch-002.png"))
    np.testing.assert_array_equal(grid, viz.rows(held_out.images, translated, held_out.labels))
    with pytest.raises(NotImplementedError, match=r"Call translate\(x\)"):
        genzoo_("sample", run)


def test_the_command_takes_sides_for_pairs_alone(tmp_path):
    with pytest.raises(ValueError, match=r"go with a model that learns from pairs. Received: 'vae'"):
        genzoo_("train", "vae", "--inputs", "A", "--targets", "B", "--out", tmp_path / "run")
    with pytest.raises(ValueError, match=r"'pix2pix' learns from pairs.*--data FOLDER. Received: 'digits'"):
        genzoo_("train", "pix2pix", "--out", tmp_path / "run")


def genzoo_(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception:
        raise result.exception


@pytest.mark.slow
def test_held_out_facades_are_far_nearer_to_their_label_maps_than_the_mean():
    folder = os.environ.get("GENZOO_FACADES", "")
    if not list(Path(folder).glob("*_label.png")):
        pytest.skip("needs the CMP facades: set GENZOO_FACADES to a folder of NAME_photo.jpg and NAME_label.png")
    sides = {"inputs": "*_photo.jpg", "targets": "*_label.png"}
    train, test = (genzoo.data.load_pairs(folder, split, image_size=128, **sides) for split in ("train", "test"))
    model = genzoo.get("pix2pix", filters=16, mirror=True, seed=0)
    model.fit(train, epochs=5, verbose=0)
    y, mean = test.labels / 255, (train.labels / 255).mean(axis=0)
    l1, baseline = (np.abs(y - images).mean() for images in (model.translate(test.images, seed=0), mean))
    print(
        f"L1 on {len(test.images)} held-out pairs, {keras.config.backend()}: {l1:.4f}; of the mean image {baseline:.4f}"
    )
    assert l1 < 0.8 * baseline
