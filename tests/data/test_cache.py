"""Decoded images are kept for the next time: the same images, nothing stale, nothing that stops a training."""

import json
import os
import shutil
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from pictures import pixels, write_png
from PIL import Image
from processes import environment, run_python

from genzoo import data
from genzoo.data import cache, pictures, pile

pytestmark = pytest.mark.once

IMAGES = pixels(6, 8, 8, 3)
SOON = {"KERAS_BACKEND": "numpy"}  # starts soonest


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path):
    for i, image in enumerate(IMAGES):
        write_png(tmp_path / "photos" / ("cat", "dog")[i % 2] / f"{i}.png", image)
    return tmp_path / "photos"


@pytest.fixture
def decoded(monkeypatch):
    """The files that are decoded from now on."""
    read, files = pictures.Reader.read, []
    monkeypatch.setattr(pictures.Reader, "read", lambda self, file: files.append(file) or read(self, file))
    return files


def assert_same(found):
    np.testing.assert_array_equal(found.images, IMAGES[[0, 2, 4, 1, 3, 5]])
    assert found.images.dtype == np.uint8
    assert (found.labels.tolist(), found.class_names) == ([0, 0, 0, 1, 1, 1], ("cat", "dog"))


def test_the_second_time_nothing_is_decoded(photos, place, decoded):
    for count in (6, 6):
        assert_same(data.load(photos, shuffle=False))
        assert len(decoded) == count
    (entry,) = place.iterdir()
    assert sorted(file.name for file in entry.iterdir()) == ["about.json", "images.npy"]


CHANGES = {
    "a pixel, in a file of the same size and time": (6, lambda folder: change_a_pixel(folder / "cat" / "0.png"), {}),
    "a file more": (7, lambda folder: write_png(folder / "dog" / "9.png", IMAGES[0]), {}),
    "a file less": (5, lambda folder: (folder / "dog" / "5.png").unlink(), {}),
    "another name": (6, lambda folder: (folder / "dog" / "5.png").rename(folder / "dog" / "6.png"), {}),
    "another size": (6, lambda folder: None, {"image_size": 4}),
    "another background": (6, lambda folder: None, {"background": "black"}),
    "another white": (6, lambda folder: None, {"white": 4095}),
}


def change_a_pixel(path):
    before, size = os.stat(path), path.stat().st_size
    content = bytearray(path.read_bytes())
    write_png(path, np.roll(IMAGES[0], 1, axis=1))
    path.write_bytes(path.read_bytes().ljust(size, b"\0")[: max(size, path.stat().st_size)])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert content != path.read_bytes()


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_the_images_is_decoded_anew(change, photos, place, decoded):
    count, act, options = CHANGES[change]
    data.load(photos)
    act(photos)
    decoded.clear()
    data.load(photos, **options)
    assert len(decoded) == count
    assert len(list(place.iterdir())) == 2


def test_the_classes_are_those_of_the_folder_as_it_is(photos, place):
    data.load(photos)
    (photos / "cat").rename(photos / "bear")
    assert data.load(photos).class_names == ("bear", "dog")


DAMAGES = {
    "images cut": lambda entry: cut(entry / "images.npy", 300),
    "images of zeros": lambda entry: (entry / "images.npy").write_bytes(bytes((entry / "images.npy").stat().st_size)),
    "a bit": lambda entry: flip(entry / "images.npy"),
    "images gone": lambda entry: (entry / "images.npy").unlink(),
    "a pickle": lambda entry: pickled(entry),
    "about cut": lambda entry: cut(entry / "about.json", 20),
    "about a list": lambda entry: (entry / "about.json").write_text("[]"),
    "about without files": lambda entry: (entry / "about.json").write_text("{}"),
    "about gone": lambda entry: (entry / "about.json").unlink(),
    "a file in its place": lambda entry: (shutil.rmtree(entry), entry.write_text("")),
    "all gone": lambda entry: shutil.rmtree(entry.parent),
}


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def pickled(entry):
    np.save(entry / "images.npy", np.array([print], dtype=object))
    about = json.loads((entry / "about.json").read_text())
    path = entry / "images.npy"
    about["files"]["images.npy"] = [path.stat().st_size, pile.checksum(path)]
    (entry / "about.json").write_text(json.dumps(about))


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_made_anew(damage, photos, place, decoded):
    data.load(photos)
    (entry,) = place.iterdir()
    DAMAGES[damage](entry)
    for count in (12, 12):
        assert_same(data.load(photos, shuffle=False))
        assert len(decoded) == count


@pytest.mark.parametrize("stop", ["empty", "a file", "no folder can be made", "full"])
def test_without_a_place_to_keep_them_images_are_loaded_all_the_same(stop, photos, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    places = {"empty": "", "a file": tmp_path / "file", "no folder can be made": tmp_path / "file" / "cache"}
    monkeypatch.setenv("GENZOO_CACHE", str(places.get(stop, tmp_path / "cache")))
    if stop == "full":
        monkeypatch.setattr(pile, "DISK_SHARE", 0)
    assert_same(data.load(photos, shuffle=False))
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").iterdir())


def test_a_disk_that_fills_while_it_is_written_to_stops_nothing(photos, tmp_path):
    code = f"""
import resource, signal
from genzoo import data
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
assert data.load({str(photos)!r}, shuffle=False).images.shape == (6, 8, 8, 3)
"""
    run_python(code, GENZOO_CACHE=tmp_path / "cache", **SOON)
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_is_said_of_images_is_said_every_time(photos, place):
    Image.fromarray(IMAGES[0, ..., 0]).save(photos / "cat" / "grey.png")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"1 grey image becomes RGB beside 6 in colour, such as .*grey.png"):
            assert data.load(photos).images.shape == (7, 8, 8, 3)


def test_what_cannot_be_read_is_refused_every_time_and_not_kept(photos, place):
    (photos / "cat" / "broken.png").write_bytes(b"none")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"broken.png is not a readable image"):
            data.load(photos)
    assert list(place.iterdir()) == []


def test_the_oldest_goes_first(tmp_path, place, decoded, monkeypatch):
    folders = [tmp_path / name for name in "abc"]
    for i, folder in enumerate(folders):
        write_png(folder / "1.png", pixels(100, 100, 3))
        data.load(folder)
        for entry in place.iterdir():  # as if an hour passed between any two
            os.utime(entry, (time.time() - 3600 * (3 - i),) * 2) if entry.stat().st_mtime > time.time() - 60 else None
    data.load(folders[0])  # used now
    decoded.clear()
    monkeypatch.setenv("GENZOO_CACHE_GB", "0.0001")  # three times 30,000 bytes and no more
    write_png(tmp_path / "d" / "1.png", pixels(100, 100, 3))
    data.load(tmp_path / "d")
    assert len(list(place.iterdir())) == 3
    decoded.clear()
    for folder in (folders[0], folders[2], tmp_path / "d"):
        data.load(folder)
    assert decoded == []
    monkeypatch.setenv("GENZOO_CACHE_GB", "many")
    write_png(tmp_path / "e" / "1.png", pixels(8, 8, 3))
    with pytest.raises(ValueError, match="GENZOO_CACHE_GB must be a number"):
        data.load(tmp_path / "e")


def test_nothing_else_in_the_folder_is_touched(photos, place, monkeypatch):
    place.mkdir()
    (place / "mine").mkdir()
    (place / "mine" / "big.bin").write_bytes(bytes(10_000))
    left = place / f".{'0' * 40}.1"  # of a process that was killed
    left.mkdir()
    os.utime(left, (0, 0))
    monkeypatch.setenv("GENZOO_CACHE_GB", "1e-5")
    data.load(photos)
    assert (place / "mine" / "big.bin").exists()
    assert not left.exists()


def test_arrays_can_be_written_to_and_keep_it_to_themselves(photos, place):
    data.load(photos)
    found = data.load(photos, shuffle=False)
    found.images[:] = 0
    assert_same(data.load(photos, shuffle=False))


def test_images_outlive_what_is_kept(photos, place):
    data.load(photos)
    found = data.load(photos, shuffle=False)
    shutil.rmtree(place)
    assert_same(found)


def test_images_of_zeros_and_ones_come_as_bool_every_time(tmp_path, place):
    write_png(tmp_path / "x" / "1.png", pixels(6, 6, 1) % 2)
    for _ in range(2):
        assert data.load(tmp_path / "x").images.dtype == bool


def test_processes_that_decode_the_same_do_not_mind_each_other(photos, tmp_path):
    code = f"from genzoo import data; assert data.load({str(photos)!r}).images.shape == (6, 8, 8, 3)"
    env = environment(GENZOO_CACHE=tmp_path / "cache", **SOON)
    processes = [subprocess.Popen([sys.executable, "-W", "error", "-c", code], env=env) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {"HOME": "/home/me"}, "/home/me/.cache/genzoo"),
        ("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "/big"}, "/big/genzoo"),
        ("darwin", {"HOME": "/Users/me"}, "/Users/me/Library/Caches/genzoo"),
        ("linux", {"HOME": "/home/me", "GENZOO_CACHE": "~/kept"}, "/home/me/kept"),
    ],
)
def test_it_lies_where_systems_keep_such_things(system, variables, expected, monkeypatch):
    for name in ("GENZOO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", system)
    assert cache.folder().as_posix() == expected


def test_a_store_of_tfds_is_kept_and_needs_no_import(tmp_path, place):
    pytest.importorskip("tensorflow_datasets", reason="needs tensorflow-datasets: pip install 'genzoo[data]'")
    store = tmp_path / "store" / "made" / "1.0.0"
    store.mkdir(parents=True)
    (store / "made-train.array_record-00000-of-00001").write_bytes(b"records")
    from genzoo.data import named

    key = named._key("made", "train", None, str(tmp_path / "store"))
    fill = lambda heap: [heap.add(image) for image in IMAGES] and (np.arange(6), ("a", "b"))  # noqa: E731
    cache.kept(key, fill, 6, str, "made")
    code = f"""
import sys
from genzoo import data
found = data.load("made", data_dir={str(tmp_path / "store")!r}, shuffle=False)
assert found.images.shape == (6, 8, 8, 3) and found.labels.tolist() == [0, 1, 2, 3, 4, 5], found.labels
assert found.class_names == ("a", "b") and "tensorflow_datasets" not in sys.modules
"""
    run_python(code, **SOON)
    (store / "made-train.array_record-00000-of-00001").write_bytes(b"others")
    assert named._key("made", "train", None, str(tmp_path / "store")) != key
    assert named._key("made", "test", None, str(tmp_path / "store")) != key
    assert named._key("made", "train", None, str(tmp_path / "elsewhere")) is None


def test_nothing_is_said_of_what_is_kept(photos, place):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            data.load(photos)


@pytest.mark.parametrize("about", [{"said": None}, {"said": 5}, {"class_names": 5}], ids=str)
def test_what_is_kept_in_another_form_is_made_anew(about, photos, place):
    data.load(photos)
    (entry,) = [path for path in place.iterdir() if not path.name.startswith(".")]
    told = json.loads((entry / "about.json").read_text())
    (entry / "about.json").write_text(json.dumps({**told, **about}))
    assert_same(data.load(photos, shuffle=False))


def test_a_limit_of_nothing_keeps_nothing(photos, place, monkeypatch):
    for gigabytes in ("0", "1e-9"):
        monkeypatch.setenv("GENZOO_CACHE_GB", gigabytes)
        assert_same(data.load(photos, shuffle=False))
        assert not place.exists() or not list(place.iterdir())
    for gigabytes in ("-1", "nan", "many"):
        monkeypatch.setenv("GENZOO_CACHE_GB", gigabytes)
        with pytest.raises(ValueError, match=f"GENZOO_CACHE_GB must be a number .*Received: '{gigabytes}'"):
            data.load(photos)


def test_a_cache_that_is_nowhere_is_done_without(photos, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", "~nobody_of_that_name/x")
    with pytest.raises(ValueError, match="GENZOO_CACHE must be a folder"):
        data.load(photos)
    monkeypatch.setenv("GENZOO_CACHE", "x" * 5000)
    assert_same(data.load(photos, shuffle=False))
