"""Sprites: white shapes on black, one for every combination of five known factors, drawn on the spot.

Like dSprites (Matthey et al. 2017) on a coarser grid, so that it needs no download: 25,920 images of 64x64 that are 0
or 255, 17,280 of them distinct. What a model has learned about each factor can be measured, because :func:`factors`
knows them all.

Factors, the slowest first:
    shape: 0 square, 1 ellipse, 2 heart.
    scale: 0.5, 0.6, ..., 1.
    orientation: multiples of 36 degrees, counterclockwise. As in dSprites over the whole circle, so that the square
        and the ellipse look alike after 180 degrees.
    x, y: 0, 1/11, ..., 1; the middle of the shape goes 3 pixels further with each, to the right and down.

``load("sprites", image_size=32)`` reduces these images, to grey edges; ``sprites(size=32)`` draws smaller or larger
ones, black and white as well.

Reference:
    @misc{matthey2017dsprites,
      title={dSprites: Disentanglement testing Sprites dataset},
      author={Matthey, Loic and Higgins, Irina and Hassabis, Demis and Lerchner, Alexander},
      howpublished={https://github.com/google-deepmind/dsprites-dataset},
      year={2017}
    }
"""

import itertools

import numpy as np

from genzoo.errors import unknown_name
from genzoo.validation import positive_int

SHAPES = ("square", "ellipse", "heart")
FACTORS = {
    "shape": np.arange(len(SHAPES)),
    "scale": np.linspace(0.5, 1, 6),
    "orientation": 2 * np.pi * np.arange(10) / 10,
    "x": np.linspace(0, 1, 12),
    "y": np.linspace(0, 1, 12),
}
SIZE, STEP = 64, 3  # leaves each shape a tile of 31 pixels, an odd number, so that it has a middle pixel
# The fifth part of the grid to test on: every fifth image, which is another set of places for every shape and turn.
PARTS = {"train": lambda i: i % 5 != 4, "test": lambda i: i % 5 == 4, "all": lambda i: i >= 0}


def sprites(split: str = "train", size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """``(images, labels)``: uint8 ``(n, size, size, 1)`` and the shape of each as int64.

    Args:
        split: ``"train"``, ``"test"`` or ``"all"``.
        size: height and width, at least 32. The steps of x and y are whole pixels, ``size * 3 // 64``, and the shapes
            fill the tile that they leave: unless ``size`` is a multiple of 64, they are larger, compared with the
            distances that they move.
            Below 51 a few squares of different scale and orientation fall on the same pixels.

    Example:
    >>> images, labels = sprites("test", size=32)
    >>> images.shape, sorted(set(images.ravel().tolist()))
    ((5184, 32, 32, 1), [0, 255])
    """
    if positive_int("size", size) < SIZE // 2:
        raise ValueError(f"`size` must be at least {SIZE // 2}, so that shapes can be told apart. Received: {size=}")
    step = size * STEP // SIZE
    side = size - step * (len(FACTORS["x"]) - 1)
    chosen = _chosen(split)
    shape, scale, orientation, column, row = np.indices([len(values) for values in FACTORS.values()]).reshape(5, -1)
    tiles = np.stack([_tile(side, *turned) for turned in itertools.product(*list(FACTORS.values())[:3])])
    tile = np.ravel_multi_index((shape, scale, orientation), [len(v) for v in list(FACTORS.values())[:3]])
    images = np.zeros((len(chosen), size, size, 1), "uint8")
    for image, i in zip(images, chosen, strict=True):
        top, left = step * row[i], step * column[i]
        image[top : top + side, left : left + side, 0] = tiles[tile[i]]
    return images, shape[chosen].astype("int64")


def factors(split: str = "train") -> dict[str, np.ndarray]:
    """The true value of every factor for the images of a split, in their order without shuffling.

    Example:
    >>> {name: float(values[-1].round(2)) for name, values in factors("all").items()}
    {'shape': 2.0, 'scale': 1.0, 'orientation': 5.65, 'x': 1.0, 'y': 1.0}
    """
    grid = np.meshgrid(*FACTORS.values(), indexing="ij")
    return {name: values.reshape(-1)[_chosen(split)] for name, values in zip(FACTORS, grid, strict=True)}


def _chosen(split):
    if split not in PARTS:
        raise unknown_name("split of 'sprites'", split, PARTS)
    index = np.arange(np.prod([len(values) for values in FACTORS.values()]))
    return index[PARTS[split](index)]


def _tile(side, shape, scale, orientation):
    """One shape in the middle of a tile, 0 or 255; at scale 1 and any orientation it just fits."""
    right, down = np.meshgrid(*[(np.arange(side) - (side - 1) / 2) / (side / 2 * scale)] * 2)
    cosine, sine = np.cos(orientation), np.sin(orientation)
    x, y = cosine * right - sine * down, -sine * right - cosine * down
    if SHAPES[shape] == "square":
        inside = np.maximum(np.abs(x), np.abs(y)) < 0.66
    elif SHAPES[shape] == "ellipse":
        inside = x**2 / 0.94**2 + y**2 / 0.47**2 < 1
    else:
        x, y = 1.32 * x, 1.32 * y + 0.2935  # its centre of mass comes to the middle
        inside = (x**2 + y**2 - 1) ** 3 < x**2 * y**3
    return np.where(inside, 255, 0).astype("uint8")
