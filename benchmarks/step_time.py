"""Step time of genzoo's ``fit`` beside a loop written by hand in the backend's own idiom.

    python benchmarks/step_time.py                                    # everything, some minutes
    python benchmarks/step_time.py --backends torch --models vae --steps 200 --rounds 9
    python benchmarks/step_time.py --quick                            # does it still run? (CI)

Both sides train the same networks from the same initial distributions with the same order of updates, from one uint8
array in host memory: they shuffle, cut batches and convert to float themselves, and average their losses on the
device. ``native_<backend>.py`` holds the loops by hand. One round is one epoch: ``model.fit(images, epochs=1)``, with
all that Keras does around an epoch, against ``native.epoch()``. Rounds of the two alternate, so that a busy machine
slows both; the first round of each, which compiles, does not count. Every backend runs in a process of its own, and
what is set for the process (``XLA_FLAGS``, ``OMP_NUM_THREADS``) holds for both.

Run it on a machine that does nothing else. Sharing its cores ruins even the ratios: torch's threads wait for each other
in a spin, so on a busy machine it measures the scheduler.
"""

import argparse
import importlib
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
PACKAGES = ("genzoo", "keras", "numpy", "torch", "tensorflow", "jax")
IMAGE_SHAPE = (28, 28, 1)
STEPS = {"vae": 100, "dcgan": 5}
QUICK_STEPS, QUICK_BATCH = 2, 16


def main():
    args = parse_arguments()
    print(machine(), end="\n\n", flush=True)
    if args.backend:
        results = [measure(args.backend, model, args) for model in args.models]
    else:
        results = [result for backend in args.backends for result in in_own_process(backend, args)]
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--backend", choices=BACKENDS, help="measure this one, in this process")
    parser.add_argument("--steps", type=int, help=f"steps per round (default: {STEPS})")
    parser.add_argument("--rounds", type=int, help="rounds that count (default: 7)")
    parser.add_argument("--quick", action="store_true", help="few steps of small batches: a test, not a measurement")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round here, and the first losses")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 7)
    return args


def in_own_process(backend, args):
    """What ``measure`` gives for every model, measured in a new process."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "results.json"
        command = [sys.executable, __file__, "--backend", backend, "--json", file, "--rounds", str(args.rounds)]
        command += ["--models", *args.models, *(["--quick"] if args.quick else [])]
        command += ["--steps", str(args.steps)] if args.steps else []
        alone = {"OMP_NUM_THREADS": "1"} if args.quick else {}  # torch's two threads crawl where they lack a core
        child = subprocess.run(command, capture_output=True, text=True, env=os.environ | alone)
        if child.returncode:
            sys.exit(f"{backend} failed:\n{child.stderr}")
        return json.loads(file.read_text())["results"]


def measure(backend, name, args):
    """Milliseconds per step of every round, for genzoo and for the loop by hand."""
    os.environ["KERAS_BACKEND"] = backend
    import genzoo

    model = genzoo.get(name, seed=0)
    steps = args.steps or (QUICK_STEPS if args.quick else STEPS[name])
    batch_size = QUICK_BATCH if args.quick else model.batch_size
    images = np.random.default_rng(0).integers(0, 256, (steps * batch_size, *IMAGE_SHAPE), dtype="uint8")
    native = importlib.import_module(f"native_{backend}").MODELS[name](images, batch_size)
    check(model, native)

    def fit():
        history = model.fit(images, batch_size=batch_size, epochs=1, verbose=0).history
        return {name: values[0] for name, values in history.items()}

    sides = {"genzoo": fit, "native": native.epoch}
    first_losses = {side: timed(epoch)[0] for side, epoch in sides.items()}
    rounds = [{side: 1e3 * timed(epoch)[1] / steps for side, epoch in sides.items()} for _ in range(args.rounds)]
    times = {side: [times[side] for times in rounds] for side in sides}
    return {
        "backend": backend, "model": name, "steps": steps, "batch_size": batch_size,
        "ms_per_step": times, "first_losses": first_losses,
    }  # fmt: skip


def timed(function):
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def check(model, native):
    """Stops if the two do not train networks of the same size, or do not measure the same losses."""
    model.build((None, *IMAGE_SHAPE))
    networks = {network for player in model.players.values() for network in player}
    counts = {network: getattr(model, network).count_params() for network in networks}
    ours = {network: count for network, count in counts.items() if count}
    theirs = native.weight_counts()
    if ours != theirs:
        raise SystemExit(f"{model.name}: the networks differ. genzoo: {ours}, by hand: {theirs}")
    if {metric.name for metric in model.metrics} != set(native.losses):
        raise SystemExit(f"{model.name}: the losses differ. genzoo: {model.metrics}, by hand: {native.losses}")


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
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def table(results):
    """Markdown: medians and minima in ms per step, and genzoo's over the native ones'."""
    lines = [
        "| backend | model | genzoo ms, median | min | by hand ms, median | min | ratio of medians | of minima |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for result in results:
        genzoo, native = result["ms_per_step"]["genzoo"], result["ms_per_step"]["native"]
        summary = [f(times) for times in (genzoo, native) for f in (statistics.median, min)]
        cells = [f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in summary]
        cells += [f"{summary[0] / summary[2]:.2f}", f"{summary[1] / summary[3]:.2f}"]
        lines.append("| " + " | ".join([result["backend"], result["model"], *cells]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
