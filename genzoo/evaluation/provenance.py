"""What a number depends on beside its model: versions, the commit, the machine, the time."""

import contextlib
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras

from genzoo.files import written

PACKAGES = ("genzoo", "keras", "numpy", "scipy", "scikit-learn")


def versions(packages: Iterable[str] = ()) -> dict[str, str]:
    """Versions of those packages that are installed; by default of those that a score depends on, the backend's too."""
    found = {}
    for package in packages or (*PACKAGES, keras.backend.backend()):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            # Keras may be installed under another name: as its nightly.
            found[package] = keras.__version__ if package == "keras" else importlib.metadata.version(package)
    return found


def commit() -> str | None:
    """``git describe`` of the checkout that genzoo runs from, ``-dirty`` where files differ; None if there is none."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()


def write_json(path: str | os.PathLike[str], document: Any) -> None:
    """Writes strict JSON."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    with written(path) as beside:
        beside.write_text(text)


def hardware() -> str:
    """The GPUs that the backend sees, or else the CPU and its cores."""
    with contextlib.suppress(Exception):  # some backends have no such list
        if keras.distribution.list_devices("gpu"):
            command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
            found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            return ", ".join(found.splitlines())
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} core{'s' if cores != 1 else ''}"
