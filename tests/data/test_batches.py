"""Batches in memory keep seeds and alignment."""

import numpy as np
import pytest
from pictures import pixels

from genzoo.data.batches import ImageBatches

pytestmark = pytest.mark.once


def numbered(n, **options):
    """Images that hold their own number, with the same number as label."""
    numbers = np.arange(n)
    return ImageBatches(np.broadcast_to(numbers[:, None, None, None], (n, 2, 2, 1)).astype("uint8"), numbers, **options)


def epoch_of(batches):
    """The labels of one epoch in order; checks on the way that they still belong to the images."""
    batches.on_epoch_begin()
    labels = []
    for i in range(len(batches)):
        images, label = batches[i]
        np.testing.assert_array_equal(images[:, 0, 0, 0], label)
        labels += label.tolist()
    return labels


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_has_every_image_once_with_its_label(shuffle):
    batches = numbered(50, batch_size=8, shuffle=shuffle)
    assert len(batches) == 7
    assert len(batches[6][0]) == 2
    first, second = epoch_of(batches), epoch_of(batches)
    assert sorted(first) == sorted(second) == list(range(50))
    assert (first == second) is not shuffle
    assert (first == list(range(50))) is not shuffle


def test_order_follows_from_seed_and_first_step_alone():
    order = epoch_of(numbered(50, batch_size=8, seed=3, first_step=14))
    assert epoch_of(numbered(50, batch_size=8, seed=3, first_step=14)) == order
    assert epoch_of(numbered(50, batch_size=8, seed=4, first_step=14)) != order
    assert epoch_of(numbered(50, batch_size=8, seed=3, first_step=21)) != order


def test_resumed_batches_go_on_as_if_nothing_had_happened():
    whole = numbered(50, batch_size=8, seed=5)
    epochs = [epoch_of(whole) for _ in range(4)]
    resumed = numbered(50, batch_size=8, seed=5).resumed(first_step=2 * 7)
    assert [epoch_of(resumed), epoch_of(resumed)] == epochs[2:]


def test_resumed_takes_another_batch_size_and_keeps_order_off():
    resumed = numbered(10, batch_size=4, shuffle=False).resumed(0, batch_size=5, shuffle=True)
    assert resumed.batch_size == 5
    assert epoch_of(resumed) == list(range(10))


def test_endless_indices_run_on_into_the_next_epochs():
    whole = numbered(50, batch_size=8, seed=5)
    epochs = [epoch_of(whole) for _ in range(3)]
    endless = numbered(50, batch_size=8, seed=5, endless=True)
    assert endless.num_batches is None
    assert np.concatenate([endless[i][1] for i in range(21)]).tolist() == [*epochs[0], *epochs[1], *epochs[2]]


def test_split_takes_the_last_part_unshuffled():
    train, validation = numbered(50, batch_size=8, seed=2).split(0.2)
    assert sorted(epoch_of(train)) == list(range(40))
    assert epoch_of(validation) == list(range(40, 50))


def test_split_without_labels_stays_without():
    train, validation = ImageBatches(pixels(10, 4, 4, 1)).split(0.5)
    assert train.labels is None
    assert validation.labels is None
    assert len(train[0]) == 1


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_split_refuses_to_leave_a_side_empty(fraction):
    with pytest.raises(ValueError, match="must leave images on both sides"):
        numbered(10).split(fraction)


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, "8", True, None])
def test_bad_batch_size_is_refused(batch_size):
    with pytest.raises(ValueError, match=r"`batch_size` must be an integer of at least 1. Received: batch_size="):
        numbered(10, batch_size=batch_size)


def test_no_images_or_too_few_labels_are_refused():
    with pytest.raises(ValueError, match="The data set is empty"):
        ImageBatches(np.zeros((0, 4, 4, 1), "uint8"))
    with pytest.raises(ValueError, match=r"Expected one label per image. Received: 4 images"):
        ImageBatches(np.zeros((4, 4, 4, 1), "uint8"), np.arange(3))


def test_double_precision_images_arrive_single():
    assert ImageBatches(np.zeros((4, 2, 2, 1)))[0][0].dtype == np.float32
