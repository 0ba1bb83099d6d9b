"""Image files, and images of Pillow, as a viewer shows them: upright, opaque, in 8 bits."""

import dataclasses
import warnings

import numpy as np

from genzoo.data.listing import formats, say
from genzoo.validation import positive

WHITE = {"I": 65535, "F": 1.0}  # by the first letter of Pillow's mode; its "I" holds 16 bits in most files
DARK = 1 / 4  # of white: images none of whose pixels is brighter are taken to use fewer bits than their files have


@dataclasses.dataclass
class Reader:
    """Reads images, and remembers what there is to say of all of them.

    Args:
        background: colour behind transparent pixels, as Pillow names it (``"white"``, ``"#8040ff"``), a grey level, or
            a tuple of three.
        white: value that is white in images of more than 8 bits; by default 65535, and 1 where pixels are floats.
    """

    background: str | int | tuple[int, int, int] = "white"
    white: float | None = None

    def __post_init__(self):
        self._rgb = _colour(self.background)
        if self.white is not None:
            positive("white", self.white)
        self._animated, self._deep, self._brightest = [], None, 0.0

    def read(self, file) -> np.ndarray:
        """A file as a uint8 array ``(h, w, 1 or 3)``: grey stays grey, everything else becomes RGB."""
        image, animated, deep = _decoded(file)
        if animated:
            self._animated.append(file)
        return self.array(image, file, deep)

    def picture(self, image, name) -> np.ndarray:
        """An image of Pillow, as ``read`` gives a file."""
        if _animated(image):
            self._animated.append(name)
        return self.array(upright(image), name)

    def array(self, image, name, deep: bool = False) -> np.ndarray:
        """An upright image of Pillow as a uint8 array ``(h, w, 1 or 3)``.

        Args:
            image: the image, decoded.
            name: of the image, for errors.
            deep: whether the 8 bits that Pillow gives are the upper half of 16.
        """
        if image.mode[0] in WHITE:
            image = self._scaled(image, name)
        pixels = np.asarray(self._opaque(image))
        if deep:
            self._see(name, pixels.max() / 255)
        return pixels[..., None] if pixels.ndim == 2 else pixels

    def finish(self) -> None:
        """Raises an error where all deep images turned out nearly black; says which files have more than one frame."""
        if self._animated:
            files = "1 file has" if len(self._animated) == 1 else f"{len(self._animated)} files have"
            say(f"{files} several frames, such as {self._animated[0]}: the first one is taken.")
        if self._deep is None or not 0 < self._brightest < DARK or self.white is not None:
            return
        name, white = self._deep
        if white is None:
            raise ValueError(
                f"The images of 16 bits a colour, such as {name}, would be nearly black: no value is above "
                f"{self._brightest:.1%} of their range. Convert them to 8 bits, scaled by the value that is white."
            )
        highest = self._brightest * white
        advice = f"{2 ** int(highest).bit_length() - 1}" if white > 1 else f"{highest:.3g}"
        raise ValueError(
            f"The images of more than 8 bits, such as {name}, would be nearly black: their highest value is "
            f"{highest:g}, and {white:g} is white. Say which value is white, for example white={advice}, or "
            f"white={white:g} to keep them as dark as they are."
        )

    def _scaled(self, image, name):
        """Greys of 16 or 32 bits, or floats, in 8 bits; with an alpha channel if one value means transparent."""
        from PIL import Image

        values, white = np.asarray(image).astype("float64"), self.white or WHITE[image.mode[0]]
        low, high = values.min(), values.max()
        if not (low >= 0 and high <= white):  # NaN too
            raise ValueError(
                f"{name} holds values from {low:g} to {high:g}. Expected: 0 to {white:g}, which is white. "
                + (f"Pass white={high:g} or another value." if low >= 0 and np.isfinite(high) else "Rescale it.")
            )
        self._see(name, high / white, white)
        grey = Image.fromarray(np.floor(values * (255.999 / white)).astype("uint8"))
        if not isinstance(image.info.get("transparency"), int):
            return grey
        alpha = Image.fromarray(np.where(values == image.info["transparency"], 0, 255).astype("uint8"))
        return Image.merge("LA", (grey, alpha))

    def _opaque(self, image):
        """The image in grey or RGB, over the background where it is transparent."""
        from PIL import Image

        grey = image.mode in ("1", "L", "LA", "La")
        if image.mode not in ("LA", "La", "PA", "RGBA", "RGBa") and "transparency" not in image.info:
            return image.convert("L" if grey else "RGB")
        if image.mode == "La":
            image = image.convert("LA")
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] < 255:
            canvas = Image.new("RGBA", image.size, (*self._rgb, 255))
            canvas.alpha_composite(image)
            image, grey = canvas, grey and len(set(self._rgb)) == 1
        image = image.convert("RGB")
        return image.getchannel("R") if grey else image

    def _see(self, name, brightest, white=None):
        if self._deep is None or brightest > self._brightest:
            self._deep, self._brightest = (name, white), float(brightest)


def _decoded(file):
    """``(image, animated, deep)``: the first frame, upright; whether there are more; whether Pillow halves its bits."""
    from PIL import Image, UnidentifiedImageError

    try:
        # From a stream: Pillow maps a named file into memory, and mixes up a TIFF that is to be turned.
        with warnings.catch_warnings(), open(file, "rb") as stream:
            warnings.simplefilter("ignore")  # of odd tags, without the name of the file
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(stream, formats=formats()) as opened:
                deep = opened.mode in ("LA", "RGB", "RGBA") and any(
                    ";16" in str(tile[3]) for tile in getattr(opened, "tile", ())
                )
                opened.load()
                return upright(opened), _animated(opened), deep
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"{file} is too large ({error}). Make it smaller, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it."
        ) from error
    except Exception as error:  # a damaged file makes Pillow raise almost anything
        told = getattr(error, "strerror", None) or error  # without the file's name, which would come twice
        if isinstance(error, UnidentifiedImageError):
            told = "of no format that Pillow knows"
        raise ValueError(f"{file} is not a readable image ({told}). Remove or repair it.") from error


def upright(image):
    """A copy of an image of Pillow, turned and mirrored as its EXIF says. What cannot be understood says nothing."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block, which a viewer ignores
        return image.copy()


def _animated(image):
    """Whether a file holds more images in sequence: no layers, and no previews, as photos have them."""
    try:
        return image.format not in ("MPO", "PSD") and bool(getattr(image, "is_animated", False))
    except Exception:  # the first frame is whole, and more is not asked for
        return True


def _colour(background):
    """``background`` as (red, green, blue)."""
    from PIL import ImageColor

    try:
        if isinstance(background, str):
            background = ImageColor.getrgb(background)[:3]
        rgb = (background,) * 3 if isinstance(background, int) else tuple(background)
        if len(rgb) == 3 and all(isinstance(part, int) and 0 <= part <= 255 for part in rgb):
            return rgb
    except (TypeError, ValueError):
        pass
    raise ValueError(
        "`background` must be a colour: its name, '#rrggbb', a grey level from 0 to 255, or three of them. "
        f"Received: {background=}"
    )
