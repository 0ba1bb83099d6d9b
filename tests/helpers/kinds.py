"""Files of every kind in the table of docs/data.md, and what becomes of them."""

import dataclasses
import os
import shutil
import struct
import zlib
from collections.abc import Callable

import numpy as np
from pictures import pixels
from PIL import Image, PngImagePlugin

GREY, COLOUR = pixels(6, 8), pixels(6, 8, 3)
UPPER = np.arange(48, dtype="uint16").reshape(6, 8) * 1365  # to 64155, over all 16 bits
TURNS = {
    2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1], 5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1), 8: np.rot90,
}  # fmt: skip


@dataclasses.dataclass
class Case:
    """What lies in a folder, and what becomes of it.

    Attributes:
        kind, outcome: as docs/data.md has them.
        write: writes files into a folder; returns the images expected of them, if they are read.
        says: a pattern of the warning, or None for none.
        error: a pattern of the error, or None for none.
        options: of ``load`` and ``load_pairs``.
    """

    kind: str
    outcome: str
    write: Callable
    says: str | None = None
    error: str | None = None
    options: dict = dataclasses.field(default_factory=dict)


def saved(name, array, mode=None, expected=None, **options):
    """Writes one image, with the options of Pillow's ``save``."""

    def write(folder):
        image = array if isinstance(array, Image.Image) else Image.fromarray(array, mode) if mode else None
        (image or Image.fromarray(array)).save(folder / name, **options)
        return [array if expected is None else expected]

    return write


def turned(name, array, **options):
    """Writes the array under every orientation of EXIF; expected are the arrays as they are to be seen."""

    def write(folder):
        for tag in TURNS:
            exif = Image.Exif()
            exif[0x0112] = tag
            Image.fromarray(array).save(folder / name.replace("*", str(tag)), exif=exif, **options)
        if array.dtype == np.uint16:
            return [turn(array) >> 8 for turn in TURNS.values()]
        return [turn(array) for turn in TURNS.values()]

    return write


def all_of(*writers):
    return lambda folder: [image for writer in writers for image in writer(folder)]


def over(background, alpha):
    """What is to be seen of ``COLOUR`` through ``alpha``."""
    share = alpha[..., None] / 255
    return COLOUR * share + np.array(background) * (1 - share)


def palette_with_alpha():
    image = Image.fromarray(np.arange(4, dtype="uint8").reshape(2, 2), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    return image


def frames(name, **options):
    def write(folder):
        first, *others = (Image.fromarray(np.full((4, 4, 3), level, "uint8")) for level in (10, 90, 200))
        first.save(folder / name, save_all=True, append_images=others, **options)
        return [np.full((4, 4, 3), 10, "uint8")]

    return write


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def rubbish(folder):
    """A PNG whose data are cut in their middle and followed by a chunk that is none."""
    saved("culprit.png", pixels(16, 16, 3))(folder)
    raw = (folder / "culprit.png").read_bytes()
    start = raw.index(b"IDAT") - 4
    (size,) = struct.unpack(">I", raw[start : start + 4])
    whole = chunk(b"IDAT", raw[start + 8 : start + 8 + size // 2])
    (folder / "culprit.png").write_bytes(raw[:start] + whole + b"\0\0\0\5\x8d\3\x98\xa6" + b"garbage" * 4)


def cut(name):
    def write(folder):
        saved(name, pixels(64, 64, 3))(folder)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return write


def content(name, raw):
    return lambda folder: (folder / name).write_bytes(raw) and []


def long_text(folder):
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * 3_000_000, zip=True)
    saved("culprit.png", COLOUR, pnginfo=info)(folder)


def hidden(folder):
    for name in (".ipynb_checkpoints", "@eaDir", "__MACOSX", ".git"):
        (folder / name).mkdir()
        saved("a.png", GREY)(folder / name)
    for name in ("._a.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (folder / name).write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    return saved("a.png", GREY)(folder)


def linked(folder):
    away = folder.parent / f"away-from-{folder.name}"
    (away / "deep").mkdir(parents=True)
    saved("b.png", GREY)(away / "deep")
    os.symlink(away, folder / "folder")
    os.symlink(away / "deep" / "b.png", folder / "file.png")
    os.symlink(folder, folder / "folder" / "loop")
    os.symlink(folder.parent, folder / "up")
    return [GREY, GREY]


def renamed(folder):
    expected = saved("a.jpg", np.full((8, 8), 90, "uint8"))(folder)
    shutil.move(folder / "a.jpg", folder / "a.png")
    return expected


def special(folder):
    os.mkfifo(folder / "z.png")
    os.symlink("/dev/zero", folder / "zero.png")
    return saved("a.png", GREY)(folder)


def dark(bits):
    return (GREY.astype("uint16") << 8) >> (16 - bits)


def dark_key(folder):
    values = np.array([[300, 65535], [0, 300]], "uint16")
    Image.fromarray(values).save(folder / "a.png", transparency=300)
    return [np.array([[255, 255], [0, 255]])]


HALF = np.full((6, 8), 128, "uint8")
HOLE = np.where(np.arange(48).reshape(6, 8) % 3 == 0, 0, 255).astype("uint8")
RGBA = np.dstack([COLOUR, HOLE])
CASES = [
    Case(
        "EXIF orientation, JPEG",
        "turned upright",
        turned("a*.jpg", np.kron(GREY[:, :6] // 128 * 255, np.ones((8, 8), "uint8")), quality=100),
    ),
    Case(
        "EXIF orientation, PNG and WebP",
        "turned upright",
        all_of(turned("a*.png", COLOUR[:, :6]), turned("b*.webp", COLOUR[:, :6], lossless=True)),
    ),
    Case(
        "EXIF orientation, TIFF of 8 and 16 bits",
        "turned upright",
        all_of(turned("a*.tif", GREY[:, :6]), turned("b*.tiff", UPPER[:, :6], compression="tiff_lzw")),
    ),
    Case("RGB with alpha", "laid over white", saved("a.png", RGBA, expected=over(255, HOLE))),
    Case("half transparent", "mixed with white", saved("a.png", np.dstack([COLOUR, HALF]), expected=over(255, HALF))),
    Case(
        'RGB with alpha, `background="#102030"`',
        "laid over that colour",
        saved("a.webp", RGBA, expected=over((16, 32, 48), HOLE), lossless=True, exact=True),
        options={"background": "#102030"},
    ),
    Case(
        "grey with alpha",
        "laid over white, stays grey",
        saved("a.png", np.dstack([GREY, HOLE]), "LA", np.where(HOLE, GREY, 255)),
    ),
    Case(
        "grey with alpha, `background=(255, 0, 0)`",
        "laid over that colour, becomes RGB",
        saved("a.png", np.dstack([GREY, np.zeros_like(GREY)]), "LA", np.full((6, 8, 3), (255, 0, 0))),
        options={"background": (255, 0, 0)},
    ),
    Case("alpha that hides nothing", "dropped", saved("a.png", np.dstack([GREY, np.full_like(GREY, 255)]), "LA", GREY)),
    Case(
        "palette",
        "becomes RGB",
        saved("a.png", palette_with_alpha(), expected=[[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9] * 3]]),
    ),
    Case(
        "palette with transparent entries",
        "laid over white",
        saved(
            "a.png",
            palette_with_alpha(),
            expected=[[[255] * 3, [0, 255, 0]], [[255] * 3, [9] * 3]],
            transparency=b"\0\xff\0\xff",
        ),
    ),
    Case(
        "GIF with a transparent entry",
        "laid over white",
        saved(
            "a.gif", palette_with_alpha(), expected=[[[255, 0, 0], [255] * 3], [[0, 0, 255], [9] * 3]], transparency=1
        ),
    ),
    Case(
        "grey with a transparent value",
        "laid over white, stays grey",
        saved("a.png", np.array([[7, 8]], "uint8"), expected=np.array([[255, 8]]), transparency=7),
    ),
    Case("black and white (1 bit)", "0 and 255", saved("a.png", GREY > 127, expected=np.where(GREY > 127, 255, 0))),
    Case("grey of 16 bits, PNG", "0 to 65535 become 0 to 255", saved("a.png", UPPER, expected=UPPER >> 8)),
    Case("grey of 16 bits, TIFF", "0 to 65535 become 0 to 255", saved("a.tif", UPPER, expected=UPPER >> 8)),
    Case(
        "grey of 16 bits, big-endian TIFF",
        "0 to 65535 become 0 to 255",
        saved("a.tif", UPPER.astype(">u2"), expected=UPPER >> 8),
    ),
    Case("grey of 16 bits, PGM", "0 to 65535 become 0 to 255", saved("a.pgm", UPPER, expected=UPPER >> 8)),
    Case("grey of 16 bits with a transparent value", "laid over white", dark_key),
    Case(
        "grey of 16 bits that uses 8",
        "refused, unless `white=` says what is white",
        saved("a.png", dark(8)),
        error=r"a.png, would be nearly black.* highest value is 248, .* white=255, or white=65535",
    ),
    Case(
        "grey of 16 bits that uses 12",
        "refused, unless `white=` says what is white",
        saved("a.tif", dark(12)),
        error=r"a.tif, would be nearly black.* for example white=4095, or",
    ),
    Case(
        "grey of 16 bits that uses 12, `white=4095`",
        "0 to 4095 become 0 to 255",
        saved("a.tif", dark(12), expected=GREY),
        options={"white": 4095},
    ),
    Case(
        "grey of 16 bits that uses 12, `white=65535`",
        "kept dark",
        saved("a.png", dark(12), expected=GREY >> 4),
        options={"white": 65535},
    ),
    Case(
        "integers of 32 bits up to 65535",
        "0 to 65535 become 0 to 255",
        saved("a.tif", UPPER.astype("int32"), expected=UPPER >> 8),
    ),
    Case(
        "integers of 32 bits, some below 0",
        "refused",
        saved("a.tif", UPPER.astype("int32") - 1024),
        error=r"a.tif holds values from -1024 to 63131. Expected: 0 to 65535.* Rescale it",
    ),
    Case(
        "floats from 0 to 1, TIFF",
        "0 to 1 become 0 to 255",
        saved("a.tif", (GREY / 255).astype("float32"), expected=GREY),
    ),
    Case(
        "floats beyond 1, TIFF",
        "refused, unless `white=` says what is white",
        saved("a.tif", np.full((4, 4), 255.0, "float32")),
        error=r"a.tif holds values from 255 to 255. Expected: 0 to 1, .* Pass white=255",
    ),
    Case(
        "floats beyond 1, `white=255`",
        "0 to 255 stay",
        saved("a.tif", GREY.astype("float32"), expected=GREY),
        options={"white": 255},
    ),
    Case(
        "floats with NaN",
        "refused",
        saved("a.tif", np.full((4, 4), np.nan, "float32")),
        error=r"a.tif holds values from nan to nan.* Rescale it",
    ),
    Case(
        "CMYK, JPEG and TIFF",
        "becomes RGB",
        saved("a.tif", Image.new("CMYK", (4, 4), (0, 255, 255, 0)), expected=np.full((4, 4, 3), (255, 0, 0))),
    ),
    Case(
        "YCbCr",
        "becomes RGB",
        saved("a.tif", Image.new("YCbCr", (4, 4), (200, 128, 128)), expected=np.full((4, 4, 3), 200)),
    ),
    Case(
        "LAB",
        "becomes RGB",
        saved("a.tif", Image.new("LAB", (4, 4), (255, 128, 128)), expected=np.full((4, 4, 3), 255)),
    ),
    Case(
        "a grey image among colour ones",
        "becomes RGB, said once",
        all_of(
            saved("a.png", GREY, expected=np.dstack([GREY] * 3)),
            saved("b.png", COLOUR),
            saved("c.png", GREY, expected=np.dstack([GREY] * 3)),
        ),
        says="2 grey images become RGB beside 1 in colour, such as .*a",
    ),
    Case(
        "several frames, GIF",
        "the first one, said once",
        frames("a.gif"),
        says="1 file has several frames, such as .*a.gif: the first one is taken",
    ),
    Case("several frames, APNG", "the first one, said once", frames("a.png"), says="several frames, such as .*a.png"),
    Case(
        "several frames, WebP",
        "the first one, said once",
        frames("a.webp", lossless=True),
        says="several frames, such as .*a.webp",
    ),
    Case("several pages, TIFF", "the first one, said once", frames("a.tif"), says="several frames, such as .*a.tif"),
    Case(
        "`.bmp`, `.TIF`, `.tiff`, `.jfif`, `.webp`, `.avif`, `.ppm`, `.tga`, `.PNG`",
        "read, as all that Pillow reads here",
        all_of(
            *(
                saved(name, np.full((8, 8, 3), 90, "uint8"))
                for name in ("a.bmp", "b.TIF", "c.tiff", "d.jfif", "e.webp", "f.avif", "g.ppm", "h.tga", "i.PNG")
            )
        ),
    ),
    Case("a JPEG called `.png`", "read", renamed),
    Case(
        "other files (text, CSV, EPS)",
        "left out, said in one line",
        all_of(saved("a.png", GREY), content("b.txt", b"notes"), content("c.eps", b"%!PS")),
        says="[24] files are left out of .*, such as .*b.txt: no image files of a format",
    ),
    Case(
        "hidden files and folders (`.ipynb_checkpoints`, `._a.png`, `Thumbs.db`, `@eaDir`, `__MACOSX`)",
        "passed over",
        hidden,
    ),
    Case("links to files and folders, loops", "followed, but not back into a folder above", linked),
    Case(
        "a link to nothing",
        "refused by its path",
        lambda folder: os.symlink("nowhere.png", folder / "culprit.png"),
        error="culprit.png is not a readable image .*No such file",
    ),
    Case("FIFOs, sockets, devices", "left out unopened, said in one line", special, says="[24] files are left out"),
    Case("an empty file", "refused by its path", content("culprit.png", b"")),
    Case("not an image", "refused by its path", content("culprit.jpg", b"no picture")),
    *(
        Case(f"half of a {name.split('.')[1]}", "refused by its path", cut(name))
        for name in ("culprit.png", "culprit.jpg", "culprit.gif", "culprit.webp", "culprit.tif")
    ),
    Case("a damaged chunk", "refused by its path", rubbish),
    Case("a text of 3 MB inside a PNG", "refused by its path", long_text),
    Case(
        "more pixels than `PIL.Image.MAX_IMAGE_PIXELS`",
        "refused by its path",
        saved("culprit.png", Image.new("1", (10000, 10000))),
        error="culprit.png is too large .* raise PIL.Image.MAX_IMAGE_PIXELS",
    ),
]
