"""A file that is written takes its place in one step, or leaves everything as it was."""

import os
import subprocess
import sys

import pytest

from genzoo.files import locked, remove_leftovers, written

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


def test_a_file_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append("fsync") or fsync(descriptor))
    monkeypatch.setattr(os, "replace", lambda old, new: done.append("replace") or replace(old, new))
    with written(tmp_path / "notes.txt") as beside:
        beside.write_text("new")
    assert done == (["fsync", "replace"] if os.name == "nt" else ["fsync", "replace", "fsync"])  # the file, the folder


def test_a_lock_is_for_one_and_ends_with_its_process(tmp_path):
    path = tmp_path / "a.lock"
    with locked(path):
        with pytest.raises(BlockingIOError, match="another process holds it"), locked(path):
            pass
        assert path.exists()  # whoever is refused removes nothing
    assert not path.exists()
    code = f"import os\nfrom genzoo.files import locked\nwith locked({str(path)!r}):\n    os._exit(3)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 3
    assert path.exists()
    with locked(path):
        pass
    assert not path.exists()


@pytest.mark.skipif(os.name == "nt", reason="where nobody can tell who lives")
def test_leftovers_of_the_living_and_of_others_stay(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead = dead.stdout.strip()
    kept = [f".a.{os.getpid()}.txt", f".a.{os.getppid()}.txt", f".b.{dead}.txt", f"a.{dead}.txt", ".a.txt"]
    for name in [*kept, f".a.{dead}.txt", ".a.9999999999.txt"]:
        (tmp_path / name).write_text("ha")
    remove_leftovers(tmp_path, "a[.]txt")
    assert {path.name for path in tmp_path.iterdir()} == {*kept}
