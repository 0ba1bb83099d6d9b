"""``gpu.py --pack``: collects what a machine must be given that has PyTorch and JAX, and no network.

DIR/wheels     Keras, what it needs beyond the usual, and genzoo: pip install --no-index --no-deps DIR/wheels/*.whl
DIR/genzoo     this checkout's code, tests and benchmarks
DIR/mnist.npz  the data
"""

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 64 * 2**20  # bytes
PYTHON = "3.12"
WHEELS = ("keras", "namex", "optree")  # what is commonly there: numpy, h5py, rich, typer, pillow, pytest, ...
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
TREE = (
    "genzoo", "genzoo_plugins", "benchmarks", "tests", "examples", "conftest.py", "pyproject.toml", "README.md",
    "LICENSE", "constraints.txt",
)  # fmt: skip
IDX = {
    "x_train": "train-images-idx3-ubyte", "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte", "y_test": "t10k-labels-idx1-ubyte",
}  # fmt: skip


def pack(directory, data, python_version=PYTHON, also=()):
    """Fills a new directory.

    Args:
        directory: to make.
        data: mnist.npz, a folder of MNIST's four idx files, or a TFDS store with MNIST.
        python_version: of the machine that it is for.
        also: further packages, as pip takes them, for a machine that lacks more.
    """
    if directory.exists():
        raise SystemExit(f"--pack takes a directory that does not exist yet. Received: {directory}")
    if data is None:
        raise SystemExit("--pack needs --data: mnist.npz, a folder of MNIST's idx files, or a TFDS store.")
    arrays = mnist(data)
    directory.mkdir(parents=True)
    np.savez_compressed(directory / "mnist.npz", **arrays)
    for name in TREE:
        source, target = ROOT / name, directory / "genzoo" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "runs"))
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)
    wheels(directory, python_version, also)
    size = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
    if size > LIMIT:
        raise SystemExit(f"{directory} holds {size / 2**20:.1f} MiB, more than {LIMIT / 2**20:.0f}.")
    print(f"{directory}: {size / 2**20:.1f} MiB. There, with Python {python_version}:\n")
    print(f"python3 -m pip install --no-index --no-deps {directory}/wheels/*.whl")
    print(f"python3 {directory}/genzoo/benchmarks/gpu.py --minutes 8 --data {directory} --out gpu")


def wheels(directory, python_version, also):
    pip, target = [sys.executable, "-m", "pip"], directory / "wheels"
    options = ["--no-deps", "--only-binary=:all:", "--python-version", python_version, "--implementation", "cp"]
    options += [part for name in PLATFORMS for part in ("--platform", name)]
    options += ["--constraint", ROOT / "constraints.txt", "--dest", target]
    subprocess.run([*pip, "download", "--quiet", *options, *WHEELS, *also], check=True)
    copy = directory / "genzoo"  # so that nothing is built in this checkout
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", target, copy], check=True)
    for left in (copy / "build", *copy.glob("*.egg-info")):
        shutil.rmtree(left, ignore_errors=True)


def mnist(source):
    """The four arrays, as ``keras.datasets`` names them."""
    if source.suffix == ".npz":
        with np.load(source, allow_pickle=False) as archive:
            return {name: archive[name] for name in IDX}
    for folder in (source, source / "mnist"):
        files = {name: find(folder, stem) for name, stem in IDX.items()}
        if all(files.values()):
            return {name: idx(file) for name, file in files.items()}
    import genzoo

    parts = {part: genzoo.data.load("mnist", part, shuffle=False, data_dir=str(source)) for part in ("train", "test")}
    images = {f"x_{part}": batches.images[..., 0] for part, batches in parts.items()}
    return images | {f"y_{part}": batches.labels.astype("uint8") for part, batches in parts.items()}


def find(folder, stem):
    return next((folder / name for name in (f"{stem}.gz", stem) if (folder / name).exists()), None)


def idx(file):
    """An array of an idx file, which may be compressed: two zeros, the type, the number of axes, their lengths."""
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    if content[:3] != b"\0\0\x08":
        raise SystemExit(f"{file} is no idx file of bytes.")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, offset=4)
    return np.frombuffer(content, "u1", offset=4 + 4 * axes).reshape(shape)
