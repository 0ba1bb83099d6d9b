"""Step time of genzoo's ``fit`` beside a loop written by hand in the backend's own idiom.

    python benchmarks/step_time.py                                    # everything, many minutes
    python benchmarks/step_time.py --backends torch --rows vae aae --steps 200 --rounds 9
    python benchmarks/step_time.py --quick                            # does it still run? (CI)

Both sides train the same networks from the same initial distributions with the same order of updates, from one uint8
array in host memory: they shuffle, cut batches and convert to float themselves, and average their losses on the
device. ``native/`` holds the loops by hand, which move the players in turns; rows whose ``updates`` are
others measure what genzoo saves by them against the same loop. One round is one epoch:
``model.fit(images, epochs=1)``, with all that Keras does around an epoch, against ``native.epoch()``. Rounds of the two
alternate, so that a busy machine slows both; the first round of each, which compiles, does not count. Every backend
runs in a process of its own, and what is set for the process (``XLA_FLAGS``, ``OMP_NUM_THREADS``) holds for both.

Run it on a machine that does nothing else. Sharing its cores ruins even the ratios: torch's threads wait for each other
in a spin, so on a busy machine it measures the scheduler.
"""

import os
from typing import NamedTuple

import common
import native


class Row(NamedTuple):
    model: str
    options: dict[str, str]
    baseline: str  # of native.models, where the backend has it
    steps: int


ROWS = {
    "vae": Row("vae", {}, "vae", 100),
    "dcgan": Row("dcgan", {}, "dcgan", 5),
    "dcgan shared-fakes": Row("dcgan", {"updates": "shared-fakes"}, "dcgan", 5),
    "dcgan simultaneous": Row("dcgan", {"updates": "simultaneous"}, "dcgan", 5),
    "dcgan textbook": Row("dcgan", {}, "dcgan:textbook", 5),
    "wgan-gp": Row("wgan-gp", {}, "wgan-gp", 20),
    "aae": Row("aae", {}, "aae", 50),
}
QUICK_STEPS, QUICK_BATCH = 2, 16


def main():
    parser = common.parser(__doc__, rounds=7)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--steps", type=int, help="steps per round, instead of the row's own")
    results = common.by_backend(measure, common.parsed(parser))
    print(common.compared(results, ("backend", "model", "by hand"), "ms"))


def measure(backend, args):
    os.environ["KERAS_BACKEND"] = backend
    baselines = native.models(backend)
    rows = [ROWS[name] for name in args.rows]
    return [against(baselines[row.baseline], backend, row, args) for row in rows if row.baseline in baselines]


def against(baseline, backend, row, args):
    """Milliseconds per step of every round, for genzoo and for the loop by hand."""
    import genzoo

    model = genzoo.get(row.model, seed=0, **row.options)
    steps = args.steps or (QUICK_STEPS if args.quick else row.steps)
    batch_size = QUICK_BATCH if args.quick else model.batch_size
    images = common.random_images(steps * batch_size)
    native = baseline(images, batch_size)
    check(model, native)

    def fit():
        history = model.fit(images, batch_size=batch_size, epochs=1, verbose=0).history
        return {name: values[0] for name, values in history.items()}

    first_losses, seconds = common.alternated(fit, native.epoch, args.rounds)
    ms = {side: [1e3 * s / steps for s in times] for side, times in seconds.items()}
    named = {"backend": backend, "model": " ".join([row.model, *row.options.values()]), "by hand": row.baseline}
    return {**named, "steps": steps, "batch_size": batch_size, **ms, "first_losses": first_losses}


def check(model, native):
    """Stops if the two do not train networks of the same size, or do not measure the same losses."""
    model.build((None, *common.IMAGE_SHAPE))
    networks = {network for player in model.players.values() for network in player}
    counts = {network: getattr(model, network).count_params() for network in networks}
    ours = {network: count for network, count in counts.items() if count}
    theirs = native.weight_counts()
    if ours != theirs:
        raise SystemExit(f"{model.name}: the networks differ. genzoo: {ours}, by hand: {theirs}")
    if {metric.name for metric in model.metrics} != set(native.losses):
        raise SystemExit(f"{model.name}: the losses differ. genzoo: {model.metrics}, by hand: {native.losses}")


if __name__ == "__main__":
    main()
