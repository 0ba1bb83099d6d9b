"""``HealthMonitor``: a callback that says what goes wrong in training, once, and what to try."""

import math
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from genzoo.annotations import Data
from genzoo.data.batches import ImageBatches, some_images, split_batch, unit_images
from genzoo.metrics import active_units
from genzoo.validation import natural_number, positive_int

COMPARED_IMAGES = 256  # of real ones, and of samples
DARK_BELOW = 0.1  # brightest pixel of data that was divided once too often
ALIKE_BELOW = {"between": 0.05, "nearest": 5e-4}  # squared distances of samples, as shares of those of real images
DISTANCE_IN_WORDS = {"between": "from each other", "nearest": "to the nearest other"}
WON_BELOW = 0.02  # the discriminator's loss, as a share of what it is where it cannot tell
COLLAPSED_SHARE = 0.05  # of latents that are active, at most
COLLAPSED_KL = 0.1  # nats per image
EQUILIBRIA = {"non-saturating": 2 * math.log(2), "minimax": 2 * math.log(2), "least-squares": 0.25, "hinge": 2.0}


class Finding(NamedTuple):
    """What a ``HealthMonitor`` has found.

    Attributes:
        kind: ``"nan"``, ``"mode-collapse"``, ``"discriminator-won"``, ``"posterior-collapse"`` or ``"data-range"``.
        epoch: number of the epoch, from 1; 0 before the first.
        sentence: what it is, and what to try.
    """

    kind: str
    epoch: int
    sentence: str


class HealthMonitor(keras.callbacks.Callback):
    """Watches training and prints one sentence about each kind of trouble, once.

    - ``nan``: a loss or a weight is NaN or infinite. Training stops after that batch, and weights, optimizers and
      random state become those of the last good epoch's end (or of the start), of which a copy is kept.
    - ``mode-collapse``: the squared distance between two samples is below 5 % of that between two real images, or the
      typical sample has a copy among 255 others: its squared distance to the nearest is below 0.05 % of that of real
      images. Where samples have labels, they are those of the real images. A collapse to many modes, though fewer
      than the data's, goes unnoticed.
    - ``discriminator-won``: its loss is below 2 % of what it is where real and generated images cannot be told
      apart, and the generator's does not fall. For players ``discriminator...`` and ``generator...`` on cross-entropy
      (which is assumed of a model without ``objective``), least squares or hinge. Not for Wasserstein critics, whose
      loss has no zero, for classifiers, and for models that translate. A penalty in the loss can hide it.
    - ``posterior-collapse``: of a VAE's latents at most 5 % are active (``genzoo.metrics.active_units``), or
      ``kl_loss`` is below 0.1 nats.
    - ``data-range``: all pixels are the same, or the brightest one is below a tenth; or samples leave [0, 1].

    Only ``nan`` stops training; the others only print. The three in the middle are checked after every epoch that ends
    at least ``every`` steps after the last check, and told after ``patience`` checks in a row without improvement.

    Args:
        data: real images to compare with, in any form that ``fit`` takes; 256 are used. By default what ``fit`` is
            given: of arrays a choice, of a data set its first batch.
        every: training steps between checks. A check costs about as much as a few steps.
        warmup: training steps of the model before the first check, when nothing good can be expected yet.
        patience: checks in a row that must find the same trouble. A last value of more than 1.5 times the first counts
            as improvement.
        verbose: 0 to print nothing.

    Attributes:
        findings: list of ``Finding``.
        measured: list of dicts, what every check has measured.
        diverged: whether training was stopped.

    Example:
    >>> import genzoo, numpy as np
    >>> monitor, model = HealthMonitor(verbose=0), genzoo.get("vae", hidden_dim=8, seed=0)
    >>> twice = np.random.default_rng(0).random((32, 8, 8, 1)) / 255
    >>> history = model.fit(twice, verbose=0, callbacks=[monitor])
    >>> [finding.kind for finding in monitor.findings]
    ['data-range']
    """

    def __init__(self, data: Data = None, *, every: int = 200, warmup: int = 500, patience: int = 3, verbose: int = 1):
        super().__init__()
        self.data = data
        self.every, self.warmup = positive_int("every", every), natural_number("warmup", warmup)
        self.patience, self.verbose = positive_int("patience", patience), verbose
        self._seen: Data = None
        self._images: np.ndarray | None = None
        self._labels: np.ndarray | None = None
        self._real: dict[str, float] | None = None
        self._start_over()

    def _start_over(self):
        self.findings: list[Finding] = []
        self.measured: list[dict[str, Any]] = []
        self.diverged, self._looked_at = False, 0
        self._loss: tuple[str, int, float] | None = None
        self._kept: tuple[int, list] = 0, []

    def see_data(self, data: Data) -> None:
        """``fit`` calls this before training, with its ``ImageBatches`` or another data set's first batch."""
        self._seen = data

    # Keras' events.

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._start_over()
        self._images = self._labels = self._real = None
        given = self._seen if self.data is None else self.data
        if given is not None:
            images, labels = _comparable(given, self.model)
            if len(images):  # a batch may hold none with a label
                self._images, self._labels = images, labels
                self._check_data(images)
        self._seen = None
        self._losses = [self.model.loss_name(player) for player in self.model.players]
        self._looked_at = max(self.warmup - self.every, self.model.steps_made)
        self._kept = 0, _state(self.model)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Keras has made floats of the logs already. On JAX, to touch self.model here would cost a copy of its state.
        if self._loss is None and logs is not None:
            for name in self._losses:
                if not math.isfinite(logs.get(name, 0.0)):
                    self._loss = name, batch + 1, logs[name]
                    self.model.stop_training = True
                    break

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        state = _state(self.model)
        if self._loss is not None or not all(np.isfinite(value).all() for value in state):
            self._go_back(epoch)
            return
        self._kept = epoch + 1, state
        if self.model.steps_made - self._looked_at >= self.every:
            self._looked_at = self.model.steps_made
            self._look(epoch, logs or {})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._kept = 0, []  # frees the memory

    # What they find.

    def _check_data(self, images):
        low, high = float(images.min()), float(images.max())
        if low == high:
            self._tell("data-range", 0, f"All pixels of the images are {low:g}. Check how they are read.")
        elif high < DARK_BELOW:
            self._tell(
                "data-range",
                0,
                f"The images' brightest pixel is {high:.2g} of 1, as if they had been divided by 255 once too often. "
                "Pass uint8 images as they are, or floats that fill [0, 1].",
            )

    def _go_back(self, epoch):
        name, batch, value = self._loss or ("a weight", None, math.nan)
        done, state = self._kept
        for variable, kept in zip(_variables(self.model), state, strict=True):
            variable.assign(kept)
        self.diverged = self.model.stop_training = True
        where = "" if batch is None else f" in batch {batch}"
        kept = f"as they were after epoch {done}" if done else "as they were at the start"
        self._tell(
            "nan",
            epoch + 1,
            f"{name} became {'NaN' if math.isnan(value) else 'infinite'}{where}: training has stopped, and weights are "
            f"{kept}. Try a smaller learning rate, or optimizers with clipnorm=1.",
        )

    def _look(self, epoch, logs):
        looks = {"epoch": epoch + 1, **self._look_at_discriminators(logs)}
        if "translation" not in self.model.tags:
            looks |= self._look_at_samples(epoch)
            looks |= self._look_at_latents(logs)
        self.measured.append(looks)
        for kind, sentence in self._diagnoses(looks):
            self._tell(kind, epoch + 1, sentence)

    def _stuck(self, name, limit):
        """Whether the last checks have all found a value below the limit, which has not risen by more than half."""
        values = [look.get(name, math.inf) for look in self.measured[-self.patience :]]
        low = len(values) == self.patience and 0 <= min(values) <= max(values) < limit
        return low and values[-1] <= 1.5 * values[0]

    def _look_at_samples(self, epoch):
        n, labels = COMPARED_IMAGES, {}
        if self._images is not None:
            n = len(self._images)
            labels = {} if self._labels is None else {"labels": self._labels}
        samples = self.model.sample(n, seed=0, batch_size=64, **labels)
        low, high = float(samples.min()), float(samples.max())
        if low < -0.01 or high > 1.01:
            self._tell(
                "data-range",
                epoch + 1,
                f"Samples have pixels from {low:.2g} to {high:.2g}, and data lies in [0, 1]. Let decode_step end in "
                "a sigmoid, or in (x + 1) / 2 of a tanh.",
            )
        if self._images is None or n < 16:
            return {}
        if self._real is None:
            self._real = _distances(self._images)
        fake = _distances(samples)
        return {name: fake[name] / real for name, real in self._real.items() if real > 0}

    def _look_at_latents(self, logs):
        if not {"vae", "encoder"} <= self.model.tags:
            return {}
        found = {"kl_loss": logs["kl_loss"]} if "kl_loss" in logs else {}
        if self._images is not None and len(self._images) > 1:
            labels = {} if self._labels is None else {"labels": self._labels}
            codes = self.model.encode(self._images, **labels, batch_size=64)
            found |= {"active_units": active_units(codes), "latent_dim": codes.shape[1]}
        return found

    def _look_at_discriminators(self, logs):
        """Losses of each pair of players, the discriminator's as a share of its equilibrium and above its least."""
        model, found = self.model, {}
        equilibrium = EQUILIBRIA.get(getattr(model, "objective", "non-saturating"))
        if equilibrium is None or model.tags & {"classifier", "translation"}:
            return {}
        smoothed = getattr(model, "label_smoothing", 0.0)
        least = 0.0
        if smoothed and equilibrium == EQUILIBRIA["non-saturating"]:
            least = -(smoothed * math.log(smoothed) + (1 - smoothed) * math.log(1 - smoothed))
        for player in model.players:
            other = player.replace("discriminator", "generator")
            if player.startswith("discriminator") and other in model.players:
                share = (logs[f"{player}_loss"] - least) / (equilibrium - least)
                found |= {player: share, other: logs[f"{other}_loss"]}
        return found

    def _diagnoses(self, looks):
        """Pairs of a kind and the sentence about it, where something is wrong."""
        for name in [name for name, limit in ALIKE_BELOW.items() if self._stuck(name, limit)][:1]:
            advice = "The decoder all but ignores its latents. Weigh the prior less, or raise the learning rate."
            if "gan" in self.model.tags:
                advice = (
                    "Go back to an earlier checkpoint; try a smaller learning rate for the generator, "
                    "objective='hinge' with spectral_norm=True, or the model 'wgan-gp'."
                )
            yield (
                "mode-collapse",
                f"Samples are nearly alike: {looks[name]:.2g} of real images' squared distance "
                f"{DISTANCE_IN_WORDS[name]}. {advice}",
            )
        for player in [name for name in looks if name.startswith("discriminator")]:
            other = player.replace("discriminator", "generator")
            then, now = self.measured[-self.patience :][0].get(other, math.inf), looks[other]
            if self._stuck(player, WON_BELOW) and now >= then - 0.1 * abs(then):
                yield (
                    "discriminator-won",
                    f"The {player} tells generated images from real ones without fail, and the {other} does not catch "
                    f"up (its loss is {now:.3g}). Try a smaller learning rate for the {player}, label_smoothing=0.1, "
                    "spectral_norm=True, or the model 'wgan-gp'.",
                )
        latents = looks.get("latent_dim", 0)
        few = math.floor(COLLAPSED_SHARE * latents) + 1
        if self._stuck("active_units", few) or self._stuck("kl_loss", COLLAPSED_KL):
            held = f"{looks['active_units']} of {latents} latents" if latents else f"{looks['kl_loss']:.2g} nats"
            yield (
                "posterior-collapse",
                f"The code says next to nothing about the image ({held} in use): the posterior has collapsed. "
                "Try kl_schedule='linear', free_bits=0.25, a smaller beta, or a weaker decoder.",
            )

    def _tell(self, kind, epoch, sentence):
        if any(found.kind == kind for found in self.findings):
            return
        self.findings.append(Finding(kind, epoch, sentence))
        if self.verbose:
            print(f"\nEpoch {epoch}: {sentence}" if epoch else f"Before training: {sentence}", flush=True)


def _comparable(data, model):
    """Images as float32 in [0, 1] to compare with, and their labels where samples have such."""
    if not isinstance(data, ImageBatches):
        data = tuple(data) if isinstance(data, list) else data
        x, y = split_batch(data) if isinstance(data, (tuple, dict)) else (data, None)
        data = (x, y) if model.samples_by_label else (x, None)
    x, y = some_images(data, None, COMPARED_IMAGES, seed=0, labelled=model.samples_by_label)
    return unit_images(x), None if y is None or not model.samples_by_label else np.reshape(y, len(x))


def _distances(images):
    """Mean squared distances between images: ``between`` any two, and to the ``nearest`` other, its median."""
    x = images.reshape(len(images), -1)
    x = x - x.mean(axis=0)
    squares = np.sum(x * x, axis=1)
    distances = np.maximum(squares[:, None] + squares - 2.0 * x @ x.T, 0.0)
    between = distances.sum() / (len(x) * (len(x) - 1))
    np.fill_diagonal(distances, np.inf)
    return {"between": float(between), "nearest": float(np.median(distances.min(axis=1)))}


def _variables(model):
    return [*model.variables, *model.optimizer.variables]


def _state(model):
    return [np.array(ops.convert_to_numpy(variable)) for variable in _variables(model)]
