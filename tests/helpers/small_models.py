"""The registry's models as tests want them: small."""

import numpy as np

import genzoo
from genzoo import registry
from genzoo.experiments.training import Source, Training
from genzoo.testing.subjects import Subject

OURS = [name for name in genzoo.list_models() if registry.spec(name).source == "genzoo"]  # others may be installed
OWN = [name for name in OURS if str(registry.spec(name).target).startswith("genzoo.models.")]
PLAYERS = ["vae", "cdcgan", "aae"]  # one, two and three of them, with labels and without

# What a run of a small one is of.
CONFIG = Training("vae", Source("digits", batch_size=8), {"latent_dim": 2, "hidden_dim": 4, "seed": 0}, epochs=4)


def small(name, **config):
    """The model with the smallest networks that it offers."""
    return Subject(name, **config).new()


def train(run, model, data, epochs, **options):
    """``Run.train`` to its end. A signal meant for the tests, such as that of ``timeout``, stops only the run."""
    received = run.train(model, data, epochs, verbose=0, **options).received
    assert received is None, f"{received!r} from outside this test ended the training that it is about"


def assert_equal(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)
