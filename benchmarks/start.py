"""Seconds until the first training step has returned, and the memory that training takes, beside loops by hand. Linux.

    python benchmarks/start.py
    python benchmarks/start.py --quick                                # does it still run? (CI)

Every number comes from a process of its own; those of genzoo and of the loops by hand take turns. Each trains on one
batch and then a few times more on the same one:

- first step: from the start of the process until the first ``fit``, or ``epoch`` of a loop by hand, has returned;
- after imports: the part of it that follows the imports of Keras and the backend, or of the backend;
- memory: the most that was ever resident, and the same less what was resident after the imports.

Compiling counts, and so do imports that wait for the first step. On torch the first ``torch.optim`` optimizer imports
the compiler, which Keras has imported by then: there the rows "after imports" flatter genzoo, and the others compare.

Keras imports other packages where it finds them: scikit-learn, matplotlib, JAX beside PyTorch. So measure a backend in
an environment of its own, as ``pip install ".[torch]"`` makes one, with ``--backends torch``.
"""

import functools
import importlib
import os
import resource
import time
from pathlib import Path

import common
import native

BATCHES = {"vae": 128, "dcgan": 256}
QUICK_BATCH, FURTHER_STEPS = 16, 9
MEASURES = ("first step, s", "after imports, s", "memory, MiB", "memory after imports, MiB")


def main():
    parser = common.parser(__doc__, rounds=3)
    parser.add_argument("--child", nargs=3, metavar=("SIDE", "MODEL", "STARTED"), help="measure this, in this process")
    args = common.parsed(parser)
    if args.child:
        common.write([measure(args.backend, *args.child, quick=args.quick)], args)
        return
    print(common.machine(), end="\n\n", flush=True)
    backends = [args.backend] if args.backend else args.backends
    results = [result for backend in backends for model in BATCHES for result in compare(backend, model, args)]
    common.write(results, args)
    print(common.compared(results, ("backend", "model", "measure")))


def compare(backend, model, args):
    def child(side):
        (measured,) = common.in_own_process(args, "--backend", backend, "--child", side, model, str(time.time()))
        return measured

    rounds = [{side: child(side) for side in common.SIDES} for _ in range(args.rounds)]
    for measure in MEASURES:
        values = {side: [measured[side][measure] for measured in rounds] for side in common.SIDES}
        yield {"backend": backend, "model": model, "measure": measure, **values}


def measure(backend, side, model, started, quick):
    os.environ["KERAS_BACKEND"] = backend
    images = common.random_images(QUICK_BATCH if quick else BATCHES[model])
    loops = native.models(backend) if side == "native" else importlib.import_module("genzoo.model")
    imported, held = time.time(), resident()
    epoch = loops[model](images, len(images)).epoch if side == "native" else training(model, images)
    epoch()
    returned = time.time()
    for _ in range(FURTHER_STEPS):
        epoch()
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    values = returned - float(started), returned - imported, peak / 2**20, (peak - held) / 2**20
    return dict(zip(MEASURES, values, strict=True))


def training(model, images):
    import genzoo

    return functools.partial(genzoo.get(model, seed=0).fit, images, batch_size=len(images), verbose=0)


def resident():
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
