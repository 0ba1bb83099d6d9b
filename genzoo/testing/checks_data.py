"""Checks of the data that ``fit`` takes."""

import importlib.util
import sys

import keras
import numpy as np

from genzoo.testing.subjects import BATCH, weights_of
from genzoo.testing.suite import check, expect, skip


@check()
def every_form_of_data_trains(subject):
    """Arrays, dicts, generators, ``PyDataset``, ``DataLoader`` and ``tf.data`` of the same images train the same model.

    Mend: leave ``fit`` to ``GenerativeModel``, or pass the data on to it as they are.
    """
    expected = None
    for form, (arguments, options) in _forms(*subject.data()).items():
        model = subject.untrained()
        model.fit(*arguments, batch_size=BATCH, shuffle=False, verbose=0, **options)
        expected = weights_of(model) if expected is None else expected
        far = max(np.abs(a - b).max(initial=0) for a, b in zip(weights_of(model), expected, strict=True))
        expect(far <= 1e-4, f"a {form} does not train to the weights of an array: they differ by {far:.2g}.")


def _forms(x, y):
    """The same images in forms that ``fit`` takes: its arguments, and what it must be told beside them."""
    parts = (x,) if y is None else (x, y)
    batches = [tuple(part[i : i + BATCH] for part in parts) for i in range(0, len(x), BATCH)]
    names = ("image", "label")[: len(parts)]

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return len(batches)

        def __getitem__(self, i):
            return batches[i]

    endless = {"steps_per_epoch": len(batches)}  # a generator has no length
    forms = {
        "array": (parts, {}),
        "tuple of arrays": ((parts,), {}),
        "dict of arrays": ((dict(zip(names, parts, strict=True)),), {}),
        "PyDataset": ((Batches(),), {}),
        "generator": ((iter_of(batches),), endless),
        "generator of dicts": ((iter_of([dict(zip(names, batch, strict=True)) for batch in batches]),), endless),
    }
    if importlib.util.find_spec("torch"):
        import torch

        tensors = torch.utils.data.TensorDataset(*map(torch.tensor, parts))
        forms["DataLoader"] = ((torch.utils.data.DataLoader(tensors, BATCH),), {})
    if "tensorflow" in sys.modules:  # importing it costs the other backends seconds
        import tensorflow as tf

        forms["tf.data.Dataset"] = ((tf.data.Dataset.from_tensor_slices(parts).batch(BATCH),), {})
    return forms


def iter_of(items):
    """A generator of the items."""
    yield from items


@check()
def missing_labels_are_asked_for(subject):
    """A model that needs labels refuses to train without them, and refuses ids that it does not have.

    Mend: say which ids there are in ``label_ids``; leave ``fit`` to ``GenerativeModel``, which checks them.
    """
    model, (x, y) = subject.new(), subject.data(BATCH)
    if model.label_ids is None:
        skip("it needs no labels")
    wrong = np.full(BATCH, model.label_ids[-1] + 1)
    for given, what in ((None, "no labels"), (wrong, f"labels of {wrong[0]}"), (y / 2, "labels of float64")):
        try:
            model.fit(x, given, verbose=0)
        except ValueError as error:
            expect("label" in str(error), f"{what} raise an error that does not say so: {error}")
        else:
            expect(False, f"it trains with {what}, and its ids are {model.label_ids!r}.")
