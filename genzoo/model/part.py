"""What the parts of a ``GenerativeModel`` have in common, for type checkers: they are of a ``keras.Model``."""

from typing import TYPE_CHECKING

import keras

__all__ = ["Part"]

if TYPE_CHECKING:

    class Part(keras.Model):
        """What a part may ask of the whole."""

else:
    Part = object
