"""Every kind of image in docs/data.md comes as a viewer shows it, or is refused by name, alone and in pairs."""

import contextlib
import re

import numpy as np
import pytest
from kinds import CASES
from places import ROOT

from genzoo import data


@pytest.fixture(params=CASES, ids=lambda case: case.kind)
def case(request):
    return request.param


def check(case, load, folders):
    """Loads what the case writes into each folder, and compares with what it expects."""
    for folder in folders:
        folder.mkdir()
        expected = case.write(folder)
    if case.error or not expected:
        with pytest.raises(ValueError, match=case.error or "culprit.* is not a readable image .* Remove or repair it"):
            load()
        return None
    with pytest.warns(UserWarning, match=case.says) if case.says else contextlib.nullcontext():
        found = load()
    return found, np.stack([image[..., None] if np.ndim(image) == 2 else image for image in map(np.asarray, expected)])


def assert_seen(found, expected):
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.astype(float), expected, atol=2)


def test_alone(case, tmp_path):
    both = check(case, lambda: data.load(tmp_path / "images", shuffle=False, **case.options), [tmp_path / "images"])
    if both is not None:
        assert_seen(both[0].images, both[1])


def test_in_pairs(case, tmp_path):
    sides = [tmp_path / "A", tmp_path / "B"]
    both = check(case, lambda: data.load_pairs(tmp_path, "all", inputs="A", targets="B", **case.options), sides)
    if both is not None:
        assert_seen(both[0].images, both[1])
        assert_seen(both[0].labels, both[1])


def test_the_docs_have_this_table():
    rows = re.findall(
        r"^\| (.+?) \| (.+?) \|$", (ROOT / "docs" / "data.md").read_text().split("## Kinds of images")[1], re.M
    )
    assert rows[1 : len(CASES) + 1] == [(case.kind, case.outcome) for case in CASES]
