"""What the parts of a ``GenerativeModel`` have in common, for type checkers: they are of a ``keras.Model``."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras import Model as Part
else:
    Part = object

__all__ = ["Part"]
