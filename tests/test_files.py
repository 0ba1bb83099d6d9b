"""A file that is written takes its place in one step, or leaves everything as it was."""

import pytest

from genzoo.files import written

pytestmark = pytest.mark.once


@pytest.mark.parametrize("old", ["old", None])
def test_a_file_takes_its_place_only_when_it_is_whole(tmp_path, old):
    path = tmp_path / "a.model.keras"
    if old:
        path.write_text(old)
    with written(path) as beside:
        beside.write_text("new")
        assert (beside.parent, beside.suffix) == (tmp_path, ".keras")
        assert path.exists() == bool(old)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("begun", [True, False])
def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, error, begun):
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with pytest.raises(error), written(path) as beside:  # noqa: PT012
        if begun:
            beside.write_text("ne")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
