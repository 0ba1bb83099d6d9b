"""``features``: images to what a layer of the model makes of them, the representations that papers classify by."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from genzoo.annotations import Array, Tensor
from genzoo.data.batches import as_numpy, check_images, to_unit_interval
from genzoo.errors import not_built, unknown_name
from genzoo.model.part import Part


class Features(Part):
    """What a ``GenerativeModel`` knows of images beside its latents."""

    def features(self, x: Array, layer: str | None = None, *, batch_size: int = 256) -> np.ndarray:
        """Images to features, float32 ``(n, size)``.

        Args:
            x: images.
            layer: name of the layer whose output is wanted, in a network of the model that takes images alone. None for
                what the model calls its features itself.
            batch_size: images per compiled call.
        """
        if self.image_shape is None:
            raise not_built()
        x = as_numpy(x)
        check_images(x, self.image_shape)
        return self._run(self._own_features if layer is None else self._up_to(layer), (x,), batch_size)

    def features_step(self, x: Tensor) -> Tensor:
        """Tensor of images in [0, 1] to features ``(batch, size)``; ``features`` is its batched verb."""
        known = ", ".join(sorted(self._layers_of_images())) or "none"
        raise NotImplementedError(
            f"{type(self).__name__} names no features of its own. Name a layer: features(x, layer=...). Known: {known}."
        )

    def _own_features(self, x):
        return self.features_step(to_unit_interval(x))

    def _up_to(self, layer) -> Callable:
        """The function of images that gives the output of this layer."""
        known = self._layers_of_images()
        if layer not in known:
            raise unknown_name(f"layer of {type(self).__name__}", layer, known)
        network, found = known[layer]
        part = keras.Model(network.inputs, found.output)

        def function(x):
            output = part(to_unit_interval(x))
            return ops.cast(ops.reshape(output, (ops.shape(output)[0], -1)), "float32")

        function.__name__ = f"layer {layer}"  # by which the compiled function is known
        return function

    def _layers_of_images(self):
        """By name, the layers of those networks that take images and nothing else, each with its network."""
        found = {}
        for name in dict.fromkeys(name for names in self.players.values() for name in names):
            network = getattr(self, name)
            shapes = [tuple(tensor.shape[1:]) for tensor in getattr(network, "inputs", None) or ()]
            if shapes == [self.image_shape]:
                found |= {layer.name: (network, layer) for layer in network.layers if layer.name not in found}
        return found
