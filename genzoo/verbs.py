"""What one does with a trained model: ``sample``, ``encode``, ``decode``, ``reconstruct``. NumPy in, NumPy out."""

import numpy as np
from keras import ops

from genzoo import engine
from genzoo.batches import check_images, to_unit_interval
from genzoo.validation import natural_number, positive_int


class Verbs:
    """The verbs of a ``GenerativeModel``, compiled and batched, on top of its ``encode_step`` and ``decode_step``."""

    def sample(self, n: int, *, seed: int | None = None, batch_size: int = 256) -> np.ndarray:
        """New images.

        Args:
            n: how many.
            seed: integer; the same seed gives the same latents on every backend. None draws fresh ones.
            batch_size: images per compiled call.

        Returns:
            float32 array ``(n, height, width, channels)`` in [0, 1].
        """
        rng = np.random.default_rng(None if seed is None else natural_number("seed", seed))
        return self.decode(self.latents(positive_int("n", n), rng), batch_size=batch_size)

    def decode(self, z, *, batch_size: int = 256) -> np.ndarray:
        """Latents ``(n, latent_dim)`` to images, float32 ``(n, height, width, channels)`` in [0, 1]."""
        z = np.asarray(ops.convert_to_numpy(z), dtype="float32")
        if z.ndim != 2 or z.shape[1] != self.latent_dim or len(z) == 0:
            raise ValueError(f"Expected latents of shape (n, {self.latent_dim}). Received: shape {z.shape}")
        return self._run(self.decode_step, z, batch_size)

    def encode(self, x, *, batch_size: int = 256) -> np.ndarray:
        """Images to latents, float32 ``(n, latent_dim)``: the mean of q(z | x) where the encoder is stochastic."""
        return self._run(self._encode_images, self._images_for("encode", x), batch_size)

    def reconstruct(self, x, *, batch_size: int = 256) -> np.ndarray:
        """Images to ``decode(encode(x))``, float32 in [0, 1]."""
        return self._run(self._reconstruct_images, self._images_for("reconstruct", x), batch_size)

    def _encode_images(self, x):
        return self.encode_step(to_unit_interval(x))

    def _reconstruct_images(self, x):
        return self.decode_step(self._encode_images(x))

    def _images_for(self, verb, x):
        if "encoder" not in self.tags:
            raise NotImplementedError(f"{type(self).__name__} has no encoder, so it cannot {verb}.")
        x = ops.convert_to_numpy(x)
        check_images(x, self.image_shape)
        return x

    def _run(self, fn, array, batch_size):
        """``fn`` over an array, compiled once per batch shape; a short batch is padded to a power of two."""
        if self.image_shape is None:
            raise ValueError("The model does not know its image shape yet. Call fit(x) or build(input_shape) first.")
        if fn.__name__ not in self._compiled_verbs.__dict__:
            setattr(self._compiled_verbs, fn.__name__, engine.compile_inference(self, fn))
        compiled = getattr(self._compiled_verbs, fn.__name__)
        size = min(positive_int("batch_size", batch_size), 1 << (len(array) - 1).bit_length())
        results = []
        for start in range(0, len(array), size):
            batch = array[start : start + size]
            padding = [(0, size - len(batch))] + [(0, 0)] * (batch.ndim - 1)
            results.append(compiled(np.pad(batch, padding))[: len(batch)])
        return np.concatenate(results).astype("float32", copy=False)
