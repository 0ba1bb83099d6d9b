"""A trained model as functions that need neither genzoo nor Keras: ``model.export(path)``."""

import os
from typing import Any

import keras
from keras import ops

from genzoo import engine, validation
from genzoo.errors import not_built
from genzoo.model.part import Part


class Exports(Part):
    """``export`` of a ``GenerativeModel``: the functions behind its verbs, of batches of any size."""

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Writes what a trained model is used for, so that a program without genzoo and Keras can run it.

        The artifact has these functions of tensors:

        - ``serve``: latents, float32 ``(n, latent_dim)``, to images, float32 in [0, 1], as ``decode`` gives them. Of a
          model that translates: images, and its noise if it has any, to images.
        - ``encode``, where there is an encoder: images, float32 in [0, 1], to latents.
        - ``classify``, where there is a classifier: images to class probabilities.

        Conditional models take labels, int32 ``(n,)``, after latents and images.

        Args:
            filepath: the folder to write.
            format: ``"tf_saved_model"``, which the TensorFlow backend writes, for ``tf.saved_model.load``.
            verbose: whether to print the functions; as in Keras they are unless it is False.
            **kwargs: none: what Keras takes beside these is for models whose inputs it has to be told.

        Raises:
            ValueError: another format or backend, another option, or the model has no networks yet.
        """
        if kwargs:
            raise ValueError(f"`export` knows a model's inputs and takes no {', '.join(sorted(kwargs))}. Leave it out.")
        if self.image_shape is None:
            raise not_built()
        if validation.path("filepath", filepath).is_file():
            raise FileExistsError(f"{filepath} is a file. A model is exported to a folder: name another place.")
        engine.export(str(filepath), format, self._endpoints(), verbose is not False)

    def _endpoints(self):
        """By name, a function and what it takes."""
        images = keras.layers.InputSpec(dtype="float32", shape=(None, *self.image_shape), name="images")
        latents = keras.layers.InputSpec(dtype="float32", shape=(None, self.latent_dim), name="latents")
        labels = [keras.layers.InputSpec(dtype="int32", shape=(None,), name="labels")]
        labels = labels if "conditional" in self.tags else []
        if "translation" not in self.tags:
            found = {"serve": (self.decode_step, [latents, *labels])}
        elif self.latent_dim:
            found = {"serve": (self.translate_step, [images, latents])}
        else:
            found = {"serve": (lambda x: self.translate_step(x, ops.zeros((ops.shape(x)[0], 0))), [images])}
        if "encoder" in self.tags:
            found["encode"] = self.encode_step, [images, *labels]
        if "classifier" in self.tags:
            found["classify"] = self.classify_step, [images]
        return {name: (_in_float32(fn), inputs) for name, (fn, inputs) in found.items()}


def _in_float32(fn):
    return lambda *inputs: ops.cast(fn(*inputs), "float32")
