"""What one does with a trained model: ``sample``, ``encode``, ``log_likelihood``, ... NumPy in, NumPy out."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from keras import ops

from genzoo import engine
from genzoo.annotations import Array
from genzoo.data.batches import as_numpy, check_images, power_of_two, to_unit_interval
from genzoo.errors import not_built
from genzoo.model.features import Features
from genzoo.model.samplers import SamplerVerbs
from genzoo.validation import choice, natural_number, non_negative, positive, positive_int, seed_or_fresh


class Verbs(SamplerVerbs, Features):
    """The verbs of a ``GenerativeModel``, compiled and batched, on top of its ``encode_step`` and ``decode_step``.

    Conditional models take ``labels`` everywhere but in ``classify``: one class id or name for all, or an array with
    one per image. What is to be drawn must be of a class that was trained on.
    """

    def sample(
        self,
        n: int,
        *,
        labels: Array | None = None,
        sampler: str | None = None,
        temperature: float = 1.0,
        truncation: float | None = None,
        seed: int | None = None,
        batch_size: int = 256,
    ) -> np.ndarray:
        """New images; of a model with a likelihood, the mean of the pixels given a sampled latent.

        Args:
            n: how many.
            labels: for a model that takes labels: class ids or names, one or ``n`` of them. By default those that it
                was trained on, in turn.
            sampler: where latents come from, of a model with an encoder: a name in ``genzoo.model.samplers`` that
                ``fit_sampler`` has fitted. None for the prior.
            temperature: factor on the latents of the prior; below 1 for less variety and more typical images.
            truncation: the prior's latents are cut off at plus and minus this (Brock et al. 2019).
            seed: integer; the same seed gives the same latents on every backend. None draws fresh ones.
            batch_size: images per compiled call.

        Returns:
            float32 array ``(n, height, width, channels)`` in [0, 1].
        """
        self._check_has_latents("sample")
        rng = np.random.default_rng(None if seed is None else natural_number("seed", seed))
        n, ids = positive_int("n", n), None
        if self.samples_by_label:
            if self.image_shape is None:
                raise not_built()
            default = np.resize(self.trained_labels, n).astype("int32")
            ids = default if labels is None else self._ids(labels, n, drawn=True)
        elif labels is not None:
            raise self._takes_no_labels()
        fitted = self._fitted(sampler, temperature, truncation)
        if fitted is None:
            z = self._cooled(self.latents(n, rng, ids), rng, temperature, truncation)
        else:
            z = fitted.draw(n, rng, ids)
        return self._decoded(z, (ids,) if "conditional" in self.tags else (), batch_size)

    def decode(self, z: Array, labels: Array | None = None, *, batch_size: int = 256) -> np.ndarray:
        """Latents ``(n, latent_dim)`` to images, float32 ``(n, height, width, channels)`` in [0, 1]."""
        self._check_has_latents("decode")
        z = self._latents_from(z)
        return self._decoded(z, self._condition(labels, len(z), drawn=True), batch_size)

    def encode(self, x: Array, labels: Array | None = None, *, batch_size: int = 256) -> np.ndarray:
        """Images to latents, float32 ``(n, latent_dim)``: the mean of q(z | x) where the encoder is stochastic."""
        x = self._images_for("encode", "encoder", x)
        return self._run(self._encode_images, (x, *self._condition(labels, len(x))), batch_size)

    def reconstruct(self, x: Array, labels: Array | None = None, *, batch_size: int = 256) -> np.ndarray:
        """Images to ``decode(encode(x))``, float32 in [0, 1]."""
        x = self._images_for("reconstruct", "encoder", x)
        return self._run(self._reconstruct_images, (x, *self._condition(labels, len(x))), batch_size)

    def translate(self, x: Array, *, seed: int | None = None, batch_size: int = 16) -> np.ndarray:
        """Images to images, by a model that has learnt from pairs.

        Args:
            x: images.
            seed: integer that fixes the noise of every image, whatever the backend and the batch size. None draws
                fresh noise, and with it another translation.
            batch_size: images per compiled call.

        Returns:
            float32 array of the shape of ``x``, in [0, 1].
        """
        x = self._images_for("translate", "translation", x)
        size = positive_int("batch_size", batch_size)
        entropy = seed_or_fresh(seed)
        translated = []
        for start in range(0, len(x), size):
            chunk = x[start : start + size]
            noise = [self.latents(1, np.random.default_rng([entropy, start + i])) for i in range(len(chunk))]
            translated.append(self._run(self._translate_images, (chunk, np.concatenate(noise)), size))
        return np.concatenate(translated)

    def classify(self, x: Array, *, batch_size: int = 256) -> np.ndarray:
        """Images to class probabilities, float32 ``(n, num_classes)``; ``classify(x).argmax(1)`` are the classes."""
        x = self._images_for("classify", "classifier", x)
        return self._run(self._classify_images, (x,), batch_size)

    def log_likelihood(
        self,
        x: Array,
        num_samples: int = 200,
        *,
        labels: Array | None = None,
        seed: int | None = None,
        batch_size: int = 2048,
    ) -> np.ndarray:
        r"""Likelihood of new points, by importance sampling from the encoder.

        $$\log p(x) \approx \log \frac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k \mid x)}, \quad z_k \sim q(z \mid x)$$

        In expectation a lower bound that tightens as K grows (Burda et al. 2016).

        Args:
            x: images.
            num_samples: K, latents per image.
            labels: class ids, for a conditional model: then the likelihood is that of x given its label.
            seed: integer that fixes the latents, whatever the backend and the batch size. None draws fresh ones.
            batch_size: decoded latents per compiled call, over images and samples together.

        Returns:
            float64 array ``(n,)`` of log p(x), in nats per image.
        """
        x = self._images_for("compute a likelihood", "likelihood", x)
        condition = self._condition(labels, len(x))
        entropy = seed_or_fresh(seed)
        drawn = min(positive_int("num_samples", num_samples), positive_int("batch_size", batch_size))
        size = max(1, batch_size // drawn)
        totals = []
        for start in range(0, len(x), size):
            chunk = tuple(a[start : start + size] for a in (x, *condition))
            rngs = [np.random.default_rng([entropy, start + i]) for i in range(len(chunk[0]))]
            total = np.full(len(rngs), -np.inf)
            for k in range(0, num_samples, drawn):
                count = min(drawn, num_samples - k)
                noise = np.stack([rng.standard_normal((count, self.latent_dim), dtype="float32") for rng in rngs])
                weights = self._run(self._weigh_images, (chunk[0], noise, *chunk[1:]), size)
                total = np.logaddexp(total, np.logaddexp.reduce(weights.astype("float64"), axis=1))
            totals.append(total)
        return np.concatenate(totals) - math.log(num_samples)

    def conditional_gradient(
        self, x: Array, z: Array, *, labels: Array | None = None, batch_size: int = 2048
    ) -> tuple[np.ndarray, np.ndarray]:
        r"""$\log p(x \mid z)$ and its gradient by z, which moves latents to where they explain an image.

        Args:
            x: images.
            z: latents ``(n, K, latent_dim)``: K for each image.
            labels: class ids, for a conditional model.
            batch_size: decoded latents per compiled call, over images and their latents together.

        Returns:
            float32 arrays ``(n, K)``, in nats per image, and ``(n, K, latent_dim)``.
        """
        x = self._images_for("compute a likelihood", "likelihood", x)
        if not hasattr(self, "log_conditional"):
            raise NotImplementedError(
                f"{type(self).__name__} must define log_conditional(x, z, y), which is log p(x | z)."
            )
        z = np.asarray(z, dtype="float32")
        if z.ndim != 3 or len(z) != len(x) or z.shape[1] == 0 or z.shape[2] != self.latent_dim:
            raise ValueError(f"Expected latents of shape ({len(x)}, K, {self.latent_dim}). Received: shape {z.shape}.")
        size = max(1, positive_int("batch_size", batch_size) // z.shape[1])
        found = self._run(self._condition_images, (x, z, *self._condition(labels, len(x))), size)
        return found[..., 0], found[..., 1:]

    def interpolate(
        self,
        a: Array,
        b: Array,
        steps: int = 8,
        *,
        method: str = "linear",
        labels: Array | None = None,
        batch_size: int = 256,
    ) -> np.ndarray:
        """Images on the way from each ``a`` to each ``b``, both ends included.

        Args:
            a, b: latents ``(n, latent_dim)``, or images where the model has an encoder.
            steps: images per pair, at least 2.
            method: ``"linear"``, or ``"spherical"`` to keep the length that normal latents have (White, 2016).
            labels: class ids for a conditional model, one or ``n`` of them.

        Returns:
            float32 array ``(n, steps, height, width, channels)``.
        """
        self._check_has_latents("interpolate")
        a, b = (self._latents_from(end, labels) for end in (a, b))
        choice("method", method, ("linear", "spherical"))
        if a.shape != b.shape or positive_int("steps", steps) < 2:
            raise ValueError(
                f"Expected as many ends as starts, and at least 2 steps. Received: {len(a)}, {len(b)}, steps={steps}"
            )
        t = np.linspace(0, 1, steps, dtype="float32")[:, None]
        path = _slerp(a[:, None], b[:, None], t) if method == "spherical" else (1 - t) * a[:, None] + t * b[:, None]
        condition = tuple(np.repeat(ids, steps) for ids in self._condition(labels, len(a), drawn=True))
        images = self._decoded(path.reshape(-1, self.latent_dim), condition, batch_size)
        return images.reshape(len(a), steps, *images.shape[1:])

    def traverse(
        self,
        z: Array | None = None,
        *,
        dims: Array | None = None,
        values: Array | None = None,
        labels: Array | None = None,
        batch_size: int = 256,
    ) -> np.ndarray:
        """Images that differ in one latent at a time.

        Args:
            z: the latent ``(latent_dim,)`` to start from, by default the origin, or one image ``(height, width,
                channels)`` where the model has an encoder.
            dims: indices of the latents to vary; by default all.
            values: what they are set to; by default 7 values from -3 to 3, meant for a standard normal prior.
            labels: the class id, for a conditional model.

        Returns:
            float32 array ``(len(dims), len(values), height, width, channels)``.
        """
        self._check_has_latents("traverse")
        start = np.zeros(self.latent_dim, "float32") if z is None else ops.convert_to_numpy(z)
        if start.ndim not in (1, 3):
            raise ValueError(
                f"Expected one latent or one image to start from. Received: shape {start.shape}. Pass z[0]."
            )
        start = self._latents_from(start[None], labels)[0]
        dims = np.arange(self.latent_dim) if dims is None else np.asarray(dims)
        values = np.linspace(-3, 3, 7) if values is None else np.asarray(values)
        if (
            dims.ndim != 1
            or len(dims) == 0
            or dims.dtype.kind not in "iu"
            or not np.isin(dims, np.arange(self.latent_dim)).all()
        ):
            raise ValueError(
                f"`dims` must be a list of indices from 0 to {self.latent_dim - 1}. Received: dims={dims.tolist()}"
            )
        if values.ndim != 1 or len(values) == 0:
            raise ValueError(f"`values` must be a list of numbers. Received: values={values.tolist()}")
        path = np.tile(start, (len(dims), len(values), 1))
        path[np.arange(len(dims))[:, None], np.arange(len(values)), dims[:, None]] = values
        path = path.reshape(-1, self.latent_dim)
        images = self._decoded(path, self._condition(labels, len(path), drawn=True), batch_size)
        return images.reshape(len(dims), len(values), *images.shape[1:])

    def _encode_images(self, x, *y):
        return self.encode_step(to_unit_interval(x), *y)

    def _reconstruct_images(self, x, *y):
        return self.decode_step(self._encode_images(x, *y), *y)

    def _translate_images(self, x, z):
        return self.translate_step(to_unit_interval(x), z)

    def _classify_images(self, x):
        return self.classify_step(to_unit_interval(x))

    def _weigh_images(self, x, epsilon, *y):
        return self.log_weights(to_unit_interval(x), epsilon, *y)

    def _condition_images(self, x, z, *y):
        k = z.shape[1]
        x, *y = (ops.repeat(t, k, axis=0) for t in (to_unit_interval(x), *y))
        z = ops.reshape(z, (-1, self.latent_dim))
        log_p, gradient = engine.value_and_input_gradient(lambda z: self.log_conditional(x, z, *y), z)
        return ops.reshape(ops.concatenate([log_p[:, None], gradient], axis=1), (-1, k, 1 + self.latent_dim))

    def _decoded(self, z, condition, batch_size):
        return self._run(self.decode_step, (z, *condition), batch_size)

    def _check_encoder(self, what):
        if "encoder" not in self.tags:
            raise NotImplementedError(f"{type(self).__name__} has no encoder, so it cannot {what}.")

    def _check_has_latents(self, what):
        if "translation" in self.tags:
            raise NotImplementedError(
                f"{type(self).__name__} makes images from images, so it cannot {what}. Call translate(x)."
            )

    def _cooled(self, z, rng, temperature, truncation):
        if not self.gaussian_prior and (temperature != 1.0 or truncation is not None):
            raise ValueError(
                f"`temperature` and `truncation` need a standard normal prior, and that of {type(self).__name__} is "
                f"another. Received: temperature={temperature}, truncation={truncation}"
            )
        if truncation is not None:
            inside = math.erf(positive("truncation", truncation) / math.sqrt(2.0))
            uniform = rng.uniform(-inside, inside, z.shape).astype("float32")
            z = math.sqrt(2.0) * ops.convert_to_numpy(ops.erfinv(uniform))
            z = np.clip(z, -truncation, truncation)  # where float32 rounds to 1 the inverse is infinite
        return np.float32(non_negative("temperature", temperature)) * z

    def _latents_from(self, z: Array, labels: Array | None = None) -> np.ndarray:
        """Latents as they are, images through the encoder."""
        if "encoder" in self.tags and len(np.shape(z)) == 4:
            return self.encode(z, labels)
        z = np.asarray(ops.convert_to_numpy(z))
        if z.dtype.kind in "OSUMm":
            raise ValueError(f"Expected latents of shape (n, {self.latent_dim}), numbers. Received: {z.dtype}")
        z = z.astype("float32")
        if z.ndim != 2 or z.shape[1] != self.latent_dim or len(z) == 0:
            images = ", or a batch of images" if "encoder" in self.tags else ""
            one = " One alone is z[None]." if z.ndim in (1, 3) else ""
            raise ValueError(
                f"Expected latents of shape (n, {self.latent_dim}){images}. Received: shape {z.shape}.{one}"
            )
        if not np.isfinite(z).all():
            raise ValueError("Expected finite latents. Received: NaN or infinity.")
        return z

    def _images_for(self, what: str, tag: str, x: Array) -> np.ndarray:
        if tag not in self.tags:
            raise NotImplementedError(f"{type(self).__name__} has no {tag}, so it cannot {what}.")
        x = as_numpy(x)
        check_images(x, self.image_shape)
        return x

    def _run(self, fn: Callable, arrays: Sequence[np.ndarray], batch_size: int) -> np.ndarray:
        """``fn`` over arrays, compiled, in batches."""
        if self.image_shape is None:
            raise not_built()
        if fn.__name__ not in self._compiled_verbs.__dict__:
            setattr(self._compiled_verbs, fn.__name__, engine.compile_inference(self, fn))
        compiled, n = getattr(self._compiled_verbs, fn.__name__), len(arrays[0])
        size = min(positive_int("batch_size", batch_size), power_of_two(n))
        starts = range(0, n, size)
        batches = ([array[i : i + size] for array in arrays] for i in starts)
        results = np.empty(0, "float32")
        for start, result in zip(starts, _one_ahead(compiled(batches, size)), strict=True):
            if start == 0:
                results = np.empty((n, *result.shape[1:]), "float32")
            engine.fill(results[start : start + size], result)
        return results


def _one_ahead(results):
    """The same, each handed out when the next one is being computed already."""
    last = next(results)
    for result in results:
        yield last
        last = result
    yield last


def _slerp(a, b, t):
    """Along the great circle; where the ends point the same way or opposite ways, along the line between them."""
    unit_a, unit_b = (end / np.maximum(np.linalg.norm(end, axis=-1, keepdims=True), 1e-12) for end in (a, b))
    angle = np.arccos(np.clip(np.sum(unit_a * unit_b, axis=-1, keepdims=True), -1, 1))
    sine = np.sin(angle)
    safe = np.where(sine < 1e-4, 1.0, sine)
    line = (1 - t) * a + t * b
    return np.where(sine < 1e-4, line, (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / safe)
