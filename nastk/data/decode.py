"""One image file, of whatever mode and size, as a square of uint8 pixels."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from nastk.errors import UserError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
# MPO is a JPEG with more of them behind it, as many phones write; Pillow opens it as one.
SUFFIXES = (".jpg", ".jpeg", ".mpo", ".png", ".webp", ".bmp", ".tif", ".tiff")
GREY = {"1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I"}
SIXTEEN_BIT = {"I;16", "I;16B", "I;16L", "I"}
ORIENTATION, BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 274, 258, 262, 339
# What is done to the stored picture so that it is seen upright, by the value of the EXIF tag.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SAMPLES = {1: "unsigned", 2: "signed", 3: "float"}


class CorruptImage(Exception):  # noqa: N818 - it names the image's state, and whoever catches it decides what follows
    """A file is no image, cut short, damaged or too large to be one.

    Attributes:
        reason: a short line.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Header(NamedTuple):
    """What an image file says of itself: its shorter side in pixels, and whether it is grey."""

    side: int
    grey: bool


def read_header(path: Path | bytes) -> Header:
    """Reads the header of a file, or of its bytes, alone; raises as `decode`."""
    with _opened(path) as image:
        return Header(min(image.size), image.mode in GREY)


def central_square(height: int, width: int) -> tuple[int, int, int]:
    """Returns top, left and side in pixels of the largest square in the middle of an image."""
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side


def decode(path: Path | bytes, channels: int, size: int) -> NDArray[np.uint8]:
    """Reads an image file.

    Colours become RGB (CMYK, YCbCr and palettes as Pillow converts them), or grey by their luma where one channel is
    wanted. What is transparent shows white. Grey of 12 or 16 bits is scaled to 0..255, not clipped; other numbers of
    more than 8 bits, and signed ones, have no agreed black and white and are refused. Of an animation, and of the
    pictures of an MPO, the first is taken. The camera's orientation (EXIF) is applied before anything is cut, so a
    photograph gives the same pixels in every lossless format. JPEGs of more than twice the size are decoded at a
    half, a quarter or an eighth, which libjpeg does on the way.

    Args:
        path: a JPEG (MPO too), PNG, WebP, BMP or TIFF file, whatever its name, or its bytes.
        channels: 1 for grey, 3 for RGB.
        size: pixels a side; cut to the central square, then bilinear with antialiasing.

    Returns:
        uint8 (channels, size, size).

    Raises:
        CorruptImage: it cannot be decoded, or has more pixels than Pillow's limit (a decompression bomb).
        UserError: the file cannot be read.
    """
    with _opened(path) as image:
        image.draft(image.mode, (2 * size, 2 * size))
        black, white = _ends(image)
        shown = _upright(image)
        top, left, side = central_square(shown.height, shown.width)
        # Cut first: with `box` Pillow's filter would reach over its border.
        square = shown.crop((left, top, left + side, top + side))
        plain = _plain(square, "L" if channels == 1 else "RGB", black, white)
        pixels = np.asarray(plain.resize((size, size), Image.Resampling.BILINEAR), dtype=np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


@contextmanager
def _opened(path: Path | bytes) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings(), io.BytesIO(path) if isinstance(path, bytes) else path.open("rb") as file:
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Of a path Pillow maps the memory, and 11 to 13 then take a turned TIFF's height for its width.
            with Image.open(file, formats=FORMATS) as image:
                yield image
    except (MemoryError, UserError):
        raise
    except Exception as error:  # what a damaged file can make a decoder raise has no list
        if isinstance(error, OSError) and error.errno is not None:
            raise UserError(f"{path!s}: cannot be read ({error.strerror})") from None
        raise CorruptImage(_reason(error)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"no image of {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    if isinstance(error, Image.DecompressionBombWarning | Image.DecompressionBombError):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels, refused as a decompression bomb"
    return " ".join(str(error).split())[:120] or type(error).__name__


def _ends(image: Image.Image) -> tuple[int, int]:
    """Returns the values of black and of white in an image, for those of one channel of more than 8 bits.

    Raises:
        CorruptImage: a TIFF's numbers are of a kind for which that is nowhere agreed.
    """
    if image.mode == "F":
        raise CorruptImage("pixels of type float, expected whole numbers")
    if not isinstance(image, TiffImageFile):
        return 0, 65535
    bits, kind = (max(image.tag_v2.get(tag) or (1,)) for tag in (BITS_PER_SAMPLE, SAMPLE_FORMAT))
    if kind != 1 or bits > 16:
        found = f"pixels of {bits} bits, {SAMPLES.get(kind, 'unknown')}"
        raise CorruptImage(f"{found}, expected whole numbers, unsigned, of at most 16 bits")
    white = 2**bits - 1
    # Pillow inverts what is stored as a negative up to 8 bits, and not above.
    return (white, 0) if image.tag_v2.get(PHOTOMETRIC) == 0 else (0, white)


def _upright(image: Image.Image) -> Image.Image:
    """Returns the image as the camera saw it. Every Pillow turns a TIFF by itself as it loads it, and nothing else."""
    image.load()
    if isinstance(image, TiffImageFile):
        return image
    turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def _plain(image: Image.Image, mode: str, black: int, white: int) -> Image.Image:
    """Returns the image in mode "L" or "RGB"."""
    if image.mode in SIXTEEN_BIT:
        values: NDArray[Any] = np.asarray(image).astype(np.float32)
        grey = np.clip((values - black) / ((white - black) / 255) + 0.5, 0, 255).astype(np.uint8)
        if "transparency" in image.info:
            grey[values == image.info["transparency"]] = 255
        return Image.fromarray(grey).convert(mode)
    if image.has_transparency_data:
        layers = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers)
    return image.convert(mode)
