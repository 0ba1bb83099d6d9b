"""The one file that ``gpu.py`` and its processes write, and what they share: arguments, deadlines, the device.

Only one process writes at a time, and every result replaces the file by a whole one. A row is told from others by its
part, backend, case and device. Its ``status`` is "done", "failed" (with ``error``), "cut off" (by a time limit, or by
whatever ended the process), "running" or "not reached".
"""

import argparse
import contextlib
import ctypes
import json
import os
import signal
import time
from pathlib import Path

IDENTITY = ("part", "backend", "case", "device")
PR_SET_PDEATHSIG = 1
OPEN = ("not reached", "cut off", "running")


class Results:
    """The file as it is now; ``put`` reads and writes it anew.

    Args:
        path: of the JSON file; made at the first ``put``.
    """

    def __init__(self, path):
        self.path = Path(path)

    def read(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {"machines": {}, "calls": [], "rows": []}

    def write(self, content):
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with open(beside, "w") as file:
            file.write(json.dumps(content, indent=1, default=str) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.path)

    def row(self, part, backend, case):
        """The row of this device, or an empty one."""
        content = self.read()
        wanted = part, backend, case, content["machines"][backend]["device"]
        return next((row for row in content["rows"] if tuple(row[key] for key in IDENTITY) == wanted), {})

    def put(self, part, backend, case, **fields):
        """Adds fields to a row, which is made with all that is known of the device."""
        content = self.read()
        machine = content["machines"][backend]
        wanted = part, backend, case, machine["device"]
        rows = content["rows"]
        row = next((row for row in rows if tuple(row[key] for key in IDENTITY) == wanted), None)
        if row is None:
            row = {"part": part, "backend": backend, "case": case, **machine}
            rows.append(row)
        row |= {**machine, **fields, "date": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        self.write(content)
        return row


def child_arguments(parser=None):
    """What a process that measures is told."""
    parser = parser or argparse.ArgumentParser()
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--cases", nargs="+", required=True)
    parser.add_argument("--deadline", type=float, required=True, help="seconds since 1970")
    parser.add_argument("--case-limit", type=int, default=0, help="seconds; 0 for none")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--tiny", action="store_true")
    return parser.parse_args()


@contextlib.contextmanager
def limited(seconds):
    """Ends this process by SIGALRM, whatever it does, if what runs inside takes longer. 0 sets no limit."""
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def end_with_parent():
    """For a new process on Linux: the kernel kills it when its parent ends, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def on_the_right_device(backend):
    """Raises unless the backend computes where ``gpu.py`` found the device to be."""
    wanted, found = os.environ["GENZOO_GPU_DEVICE"], platform_of(backend)
    if found != wanted:
        raise SystemExit(f"{backend} computes on {found!r}. Expected {wanted!r}.")


def platform_of(backend):
    """Where a new tensor lies: "gpu" or "cpu"."""
    import keras

    tensor = keras.ops.convert_to_tensor(0.0)
    if backend == "torch":
        return {"cuda": "gpu"}.get(tensor.device.type, tensor.device.type)
    return next(iter(tensor.devices())).platform


def precision(backend):
    """What is set for float32 products: TF32 keeps ten bits of the mantissa."""
    found = {"NVIDIA_TF32_OVERRIDE": os.environ.get("NVIDIA_TF32_OVERRIDE")}
    if backend == "torch":
        import torch

        found["matmul"] = torch.get_float32_matmul_precision()
        found["cudnn_allow_tf32"] = torch.backends.cudnn.allow_tf32
        found["cudnn_benchmark"] = torch.backends.cudnn.benchmark
    else:
        import jax

        found["matmul"] = str(jax.config.jax_default_matmul_precision)  # "None": XLA's default, TF32 where there is any
        found["XLA_FLAGS"] = os.environ.get("XLA_FLAGS")
    return found
