"""Batches of few images with a label and many without."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import genzoo
from genzoo.cli.app import app
from genzoo.data import semi_supervised
from genzoo.data.batches import ImageBatches


def numbered(n=100, classes=5):
    """Images that say who they are, and their labels."""
    return np.arange(n, dtype="uint8").reshape(n, 1, 1, 1).repeat(8, 1).repeat(8, 2), np.arange(n) % classes


def epoch_of(batches):
    batches.on_epoch_begin()
    return [batches[i] for i in range(len(batches))]


def identities(epoch):
    return np.concatenate([x[:, 0, 0, 0] for x, _ in epoch]), np.concatenate([y for _, y in epoch])


def test_batches_hold_both_kinds_and_an_epoch_every_unlabelled_image_once():
    x, y = numbered()
    batches = semi_supervised(x, y, num_labelled=10, batch_size=16, labelled_fraction=0.25, seed=3)
    epoch = epoch_of(batches)
    assert len(epoch) == len(batches) == 8  # 90 by 12
    assert [(len(labels), int((labels >= 0).sum())) for _, labels in epoch] == [(16, 4)] * 7 + [(4 + 6, 4)]
    who, labels = identities(epoch)
    seen, counts = np.unique(who[labels >= 0], return_counts=True)
    assert np.bincount(seen % 5).tolist() == [2] * 5  # balanced
    assert (labels[labels >= 0] == who[labels >= 0] % 5).all()
    assert set(counts) <= {3, 4}  # 32 draws of 10, in turns
    assert sorted(who[labels < 0]) == sorted(set(range(100)) - set(seen))


def test_order_and_choice_follow_from_the_seed_and_epochs_differ():
    x, y = numbered()
    one, same, other = (semi_supervised(x, y, num_labelled=10, batch_size=8, seed=seed) for seed in (1, 1, 2))
    first, second = identities(epoch_of(one)), identities(epoch_of(one))
    np.testing.assert_array_equal(first, identities(epoch_of(same)))
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, identities(epoch_of(other)))
    assert set(first[0][first[1] >= 0]) == set(second[0][second[1] >= 0])


def test_a_resumed_set_goes_on_where_it_was():
    x, y = numbered()
    whole = semi_supervised(x, y, num_labelled=10, batch_size=8, labelled_fraction=0.25)
    epoch_of(whole)
    later = epoch_of(whole)
    resumed = epoch_of(whole.resumed(len(whole)))
    for a, b in zip(later, resumed, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.parametrize("name", ["ssgan", "adgm"])
def test_training_resumes_exactly(name, tmp_path):
    x, y = numbered(40)
    batches = semi_supervised(x, y, num_labelled=10, batch_size=8)

    def weights(model):
        return [np.array(w) for w in model.get_weights()]

    options = {"hidden_dim": 8, "latent_dim": 4, "num_classes": 5, "seed": 0}
    whole, halved = genzoo.get(name, **options), genzoo.get(name, **options)
    whole.fit(batches, epochs=2, verbose=0)
    halved.fit(batches, epochs=1, verbose=0)
    halved.save(tmp_path / "halved.keras")
    halved = genzoo.load(tmp_path / "halved.keras")
    halved.fit(batches, epochs=1, verbose=0)
    for a, b in zip(weights(whole), weights(halved), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_command_trains_with_few_labels_and_resumes(tmp_path):
    def genzoo_(*arguments):
        return CliRunner().invoke(app, [*map(str, arguments)])

    small = ("--set", "hidden_dim=8", "--set", "latent_dim=2", "--batch-size", 800, "--labels", 30)
    for run, epochs in (("whole", 2), ("halved", 1)):
        result = genzoo_("train", "ssgan", *small, "--epochs", epochs, "--out", tmp_path / run)
        assert result.exit_code == 0, result.output
    genzoo_("resume", tmp_path / "halved", "--epochs", 2)
    one, other = ((tmp_path / run / "history.csv").read_text() for run in ("whole", "halved"))
    assert one == other
    assert json.loads((tmp_path / "whole" / "run.json").read_text())["data"]["labels"] == 30
    assert len(one.splitlines()) == 3
    refused = genzoo_("train", "vae", "--labels", 30, "--out", tmp_path / "refused")
    assert "--labels goes with a model that classifies. Received: 'vae'" in str(refused.exception)


def test_sets_keep_their_batch_size_and_labels_may_be_few_already():
    x, y = numbered()
    assert semi_supervised(ImageBatches(x, y, 24), num_labelled=5).batch_size == 24
    given = np.where(np.arange(100) < 7, y, -1)
    batches = semi_supervised(x, given, num_labelled=None, batch_size=10)
    np.testing.assert_array_equal(batches.labels, given)
    uneven = semi_supervised(x, y, num_labelled=12).labels
    assert sorted(np.bincount(uneven[uneven >= 0])) == [2, 2, 2, 3, 3]


def test_validation_split_cuts_the_end_off():
    x, y = numbered()
    train, validation = semi_supervised(x, y, num_labelled=50, batch_size=10, labelled_fraction=0.3).split(0.2)
    epoch = epoch_of(train)
    who, labels = identities(epoch)
    assert set(who) <= set(range(80))
    assert set(who[labels < 0]) == set(np.flatnonzero(train.labels < 0))
    assert (len(train.labels), int((epoch[0][1] >= 0).sum())) == (80, 3)
    np.testing.assert_array_equal(validation.images[:, 0, 0, 0], np.arange(80, 100))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_labelled": 200}, r"Class \d has 20 labelled images, fewer than its share of 200, 40"),
        ({"num_labelled": 100}, "100 with, 0 without"),
        ({"num_labelled": 0}, "`num_labelled` must be an integer of at least 1"),
        ({"num_labelled": 10, "labelled_fraction": 1.0}, "between 0 and 1.*Received: labelled_fraction=1.0"),
        ({"num_labelled": 10, "batch_size": 1}, "batch_size at least 2"),
    ],
)
def test_what_leaves_nothing_to_mix_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        semi_supervised(*numbered(), **options)


def test_labels_are_needed():
    x, y = numbered()
    with pytest.raises(ValueError, match="semi_supervised needs labels"):
        semi_supervised(x)
    with pytest.raises(ValueError, match="integer class ids"):
        semi_supervised(x, y.astype("float32"))
