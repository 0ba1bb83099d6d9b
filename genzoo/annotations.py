"""What annotations call things that have no common type. Names only: nothing is checked when the program runs."""

from typing import Any, TypeAlias

# Of the backend that runs, a keras.Variable, or symbolic: Keras has no type for all of them.
Tensor: TypeAlias = Any

# Whatever holds numbers: a NumPy array, nested lists, a tensor of any library.
Array: TypeAlias = Any

# Every form of data that ``fit`` takes: arrays, and data sets that yield batches of them.
Data: TypeAlias = Any

# (height, width, channels); channels come first where Keras is told so.
ImageShape: TypeAlias = tuple[int, int, int]
