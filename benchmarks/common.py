"""What the benchmarks share: a process for every backend, rounds in alternation, the machine's name and the table."""

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BACKENDS = ("torch", "tensorflow", "jax")
SIDES = ("genzoo", "native")
PACKAGES = ("genzoo", "keras", "numpy", "torch", "tensorflow", "jax")
IMAGE_SHAPE = (28, 28, 1)


def parser(description, rounds, backends=BACKENDS):
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--backends", nargs="+", choices=backends, default=backends)
    parser.add_argument("--backend", choices=backends, help="measure this one, in this process")
    parser.add_argument("--rounds", type=int, help=f"rounds that count (default: {rounds})")
    parser.add_argument("--quick", action="store_true", help="as little as runs: a test, not a measurement")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement here")
    parser.set_defaults(rounds_by_default=rounds)
    return parser


def parsed(parser):
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else args.rounds_by_default)
    return args


def by_backend(measure, args):
    """Results of ``measure(backend, args)`` for every backend, each in a new process."""
    print(machine(), end="\n\n", flush=True)
    if args.backend:
        results = measure(args.backend, args)
    else:
        results = [r for backend in args.backends for r in in_own_process(args, "--backend", backend)]
    write(results, args)
    return results


def in_own_process(args, *arguments):
    """The results that this script writes with these arguments too."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "results.json"
        command = [sys.executable, sys.argv[0], *sys.argv[1:], *arguments, "--json", file]
        alone = {"OMP_NUM_THREADS": "1"} if args.quick else {}  # torch's two threads crawl where they lack a core
        child = subprocess.run(command, capture_output=True, text=True, env=os.environ | alone)
        if child.returncode:
            sys.exit(f"{' '.join(map(str, command))} failed:\n{child.stderr}")
        return json.loads(file.read_text())["results"]


def write(results, args):
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")


def random_images(count):
    return np.random.default_rng(0).integers(0, 256, (count, *IMAGE_SHAPE), dtype="uint8")


def alternated(genzoo, native, rounds):
    """What two functions return the first time, and then the seconds of every round in which they take turns."""
    sides = dict(zip(SIDES, (genzoo, native), strict=True))
    first = {side: function() for side, function in sides.items()}
    times = [{side: timed(function)[1] for side, function in sides.items()} for _ in range(rounds)]
    return first, {side: [seconds[side] for seconds in times] for side in sides}


def timed(function):
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def machine():
    """One line: processor, cores and versions."""
    versions = {package: version(package) for package in PACKAGES}
    named = ", ".join(f"{package} {number}" for package, number in versions.items() if number)
    return f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, {named}"


def processor():
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def version(package):
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)


def compared(results, names, unit=""):
    """Markdown: medians and minima of the two sides of every result, and genzoo's over the native ones'."""
    sides = [f"{side} {unit}".rstrip() for side in ("genzoo", "by hand")]
    header = [*names, *(f"{side}, {what}" for side in sides for what in ("median", "min"))]
    rows = []
    for result in results:
        summary = [f(result[side]) for side in SIDES for f in (statistics.median, min)]
        ratios = [f"{genzoo / native:.2f}" for genzoo, native in zip(summary[:2], summary[2:], strict=True)]
        rows.append([*(str(result[name]) for name in names), *map(short, summary), *ratios])
    return table([*header, "ratio of medians", "of minima"], rows, len(names))


def table(header, rows, names=1):
    """Markdown; after the first columns, which are names, come numbers."""
    lines = [header, ["---"] * names + ["---:"] * (len(header) - names), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def short(value):
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
