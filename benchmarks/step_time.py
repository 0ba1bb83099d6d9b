"""Step time of genzoo's ``fit`` beside a loop written by hand in the backend's own idiom.

    python benchmarks/step_time.py                                    # everything, some minutes
    python benchmarks/step_time.py --backends torch --models vae --steps 200 --rounds 9
    python benchmarks/step_time.py --quick                            # does it still run? (CI)

Both sides train the same networks from the same initial distributions with the same order of updates, from one uint8
array in host memory: they shuffle, cut batches and convert to float themselves, and average their losses on the
device. ``native_<backend>.py`` holds the loops by hand. One round is one epoch: ``model.fit(images, epochs=1)``, with
all that Keras does around an epoch, against ``native.epoch()``. Rounds of the two alternate, so that a busy machine
slows both; the first round of each, which compiles, does not count. Every backend runs in a process of its own.

Where both are idle but for this script, minima vary less than medians. Timings of different machines, or of runs that
were not alone on theirs, do not compare; ratios do, roughly.
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
QUICK_STEPS = {"vae": 5, "dcgan": 1}


def main():
    args = parse_arguments()
    print(machine(), end="\n\n", flush=True)
    if args.backend:
        results = [measure(args.backend, model, steps_of(model, args), args.rounds) for model in args.models]
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
    parser.add_argument("--quick", action="store_true", help="one round of few steps: a test, not a measurement")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round here, and the first losses")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 7)
    return args


def steps_of(model, args):
    return args.steps or (QUICK_STEPS if args.quick else STEPS)[model]


def in_own_process(backend, args):
    """What ``measure`` gives for every model, measured in a new process."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "results.json"
        command = [sys.executable, __file__, "--backend", backend, "--json", file, "--rounds", str(args.rounds)]
        command += ["--models", *args.models, *(["--quick"] if args.quick else [])]
        command += ["--steps", str(args.steps)] if args.steps else []
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ})
        return json.loads(file.read_text())["results"]


def measure(backend, name, steps, rounds):
    """Milliseconds per step of every round, for genzoo and for the loop by hand."""
    os.environ["KERAS_BACKEND"] = backend
    import genzoo

    model = genzoo.get(name, seed=0)
    images = np.random.default_rng(0).integers(0, 256, (steps * model.batch_size, *IMAGE_SHAPE), dtype="uint8")
    native = importlib.import_module(f"native_{backend}").MODELS[name](images, model.batch_size)
    check(model, native)
    epochs = {"genzoo": lambda: model.fit(images, epochs=1, verbose=0).history, "native": native.epoch}
    first_losses = {who: timed(epoch)[0] for who, epoch in epochs.items()}
    rows = [{who: 1e3 * timed(epoch)[1] / steps for who, epoch in epochs.items()} for _ in range(rounds)]
    times = {who: [row[who] for row in rows] for who in epochs}
    return {"backend": backend, "model": name, "steps": steps, "ms_per_step": times, "first_losses": first_losses}


def timed(function):
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def check(model, native):
    """Stops if the two do not train networks of the same size, or do not measure the same losses."""
    model.build((None, *IMAGE_SHAPE))
    networks = {network for player in model.players.values() for network in player}
    ours = {network: getattr(model, network).count_params() for network in networks}
    theirs = native.weight_counts()
    if ours != theirs:
        raise SystemExit(f"{model.name}: the networks differ. genzoo: {ours}, by hand: {theirs}")
    if {metric.name for metric in model.metrics} != set(native.losses):
        raise SystemExit(f"{model.name}: the losses differ. genzoo: {model.metrics}, by hand: {native.losses}")


def machine():
    """One line: processor, cores and versions."""
    versions = {package: version(package) for package in PACKAGES}
    named = ", ".join(f"{package} {number}" for package, number in versions.items() if number)
    return f"{processor()}, {len(os.sched_getaffinity(0))} cores; Python {platform.python_version()}, {named}"


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
        "| backend | model | genzoo, median | min | by hand, median | min | ratio of medians | of minima |",
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
