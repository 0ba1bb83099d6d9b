"""Images that do not fit in memory come from disk: the same batches, with the same seed, in flat memory."""

from pathlib import Path

import numpy as np
import pytest
from pictures import pixels, write_png
from PIL import Image
from processes import run_python
from small_models import assert_equal, small

from genzoo import data
from genzoo.data import pile

PIXELS = pixels(20, 8, 8, 1)


@pytest.fixture(params=["kept", "not kept"])
def folder(request, tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache") if request.param == "kept" else "")
    for i, image in enumerate(PIXELS):
        write_png(tmp_path / "images" / "ab"[i % 2] / f"{i:02d}.png", image)
    return tmp_path / "images"


def on_disk(array):
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


@pytest.mark.once
@pytest.mark.parametrize("channels", ["grey", "colour", "grey, then colour", "colour, then grey"])
@pytest.mark.parametrize("options", [{}, {"image_size": 4}, {"batch_size": 3, "seed": 5}, {"shuffle": False}], ids=str)
@pytest.mark.filterwarnings("ignore:.* grey image")
def test_batches_are_those_of_memory(folder, channels, options):
    if channels != "grey":
        for file in sorted(folder.rglob("*.png"))[1 if "," in channels else 0 :]:
            Image.open(file).convert("RGB").save(file)
    if channels == "colour, then grey":
        Image.open(folder / "a" / "00.png").convert("RGB").save(folder / "a" / "00.png")
        Image.open(folder / "b" / "05.png").convert("L").save(folder / "b" / "05.png")
    streamed, held = (data.load(folder, in_memory=in_memory, **options) for in_memory in (False, True))
    assert on_disk(streamed.images)
    assert not on_disk(held.images)
    assert not streamed.images.flags.writeable
    assert (streamed.images.shape, streamed.images.dtype) == (held.images.shape, held.images.dtype)
    for epoch in range(2):
        for batches in (streamed, held):
            batches.on_epoch_begin()
        for i in range(len(held)):
            for one, other in zip(streamed[i], held[i], strict=True):
                np.testing.assert_array_equal(one, other, err_msg=f"epoch {epoch}, batch {i}")


def test_training_and_resuming_are_the_same(folder):
    weights = []
    for in_memory, parts in ((True, (2,)), (False, (2,)), (False, (1, 1))):
        model = small("cdcgan")
        for epochs in parts:
            model.fit(data.load(folder, in_memory=in_memory, batch_size=8), epochs=epochs, verbose=0)
        weights.append(model.get_weights())
    assert_equal(weights[0], weights[1])
    assert_equal(weights[0], weights[2])


@pytest.mark.once
def test_what_is_larger_than_a_part_of_memory_streams_by_itself(folder, monkeypatch):
    assert data.load(folder).images.flags.writeable
    monkeypatch.setattr(pile, "MEMORY_SHARE", 1e-9)
    found = data.load(folder)
    assert on_disk(found.images)
    assert not found.images.flags.writeable


PEAK = r"""
import os, re, sys
from genzoo import data

def peak():
    with open("/proc/self/status") as status:  # what getrusage tells begins with the parent's
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) / 1024

data.load(sys.argv[1], in_memory=False)[0]  # what every loading needs
for cache in sys.argv[3:]:
    before, os.environ["GENZOO_CACHE"] = peak(), cache
    found = data.load(sys.argv[2], in_memory=False, batch_size=8)
    for epoch in range(2):
        found.on_epoch_begin()
        for i in range(len(found)):
            found[i]
    print(peak() - before, found.images.nbytes / 2**20)
"""


def raised(few, many, *caches):
    """By how many MB loading many images and two epochs of them raise the peak of memory, and how many they have.

    Args:
        few, many: folders of images; the first only shows what every loading needs.
        *caches: values of GENZOO_CACHE, one after the other.
    """
    if not Path("/proc/self/status").exists():
        pytest.skip("needs Linux, which tells the peak of memory")
    said, _ = run_python(PEAK, few, many, *caches, KERAS_BACKEND="numpy")
    return [[float(word) for word in line.split()] for line in said.splitlines()]


@pytest.mark.once
def test_large_images_take_no_memory(tmp_path):
    image = Image.fromarray(pixels(512, 512, 3))
    for folder, count in (("few", 2), ("many", 100)):
        (tmp_path / folder).mkdir()
        for i in range(count):
            image.save(tmp_path / folder / f"{i:03d}.bmp")
    for peak, size in raised(tmp_path / "few", tmp_path / "many", tmp_path / "cache", tmp_path / "cache", ""):
        assert size == 75
        assert peak < 40


@pytest.mark.once
@pytest.mark.slow
def test_a_hundred_thousand_files_take_no_memory(tmp_path):
    write_png(tmp_path / "few" / "1.png", pixels(16, 16, 3))
    for i, image in enumerate(pixels(100_000, 16, 16, 3)):
        write_png(tmp_path / "many" / f"{i % 10}" / f"{i:06d}.png", image)
    peaks = raised(tmp_path / "few", tmp_path / "many", tmp_path / "cache", tmp_path / "cache")
    print(f"\n100,000 files: {peaks[0][0]:.0f} MB when they are decoded, {peaks[1][0]:.0f} MB more when they are kept")
    assert max(peak for peak, _ in peaks) < 60
