"""Images that a program holds, arrays and pictures of Pillow's, as the pixels that a network takes."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from nastk.errors import UserError, shortened
from nastk.jobs.predict import decoded, image_files

WRITTEN = ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16")  # what a PNG can hold
COLOURS = (1, 3, 4)

Single = Path | Image.Image | NDArray[np.uint8]
Named = tuple[str, Single]


def named_images(images: Any, channels: int) -> tuple[list[Named], bool]:
    """Returns images of any form one by one, with a name for each, and whether one alone was given.

    Args:
        images: a file or a folder, a picture of Pillow's, a uint8 array (height, width) or (height, width, 1, 3 or 4),
            an array of several, or a list of any of these but folders.
        channels: that the network takes, 1 for grey and 3 for RGB; tells several grey images from one in colour.

    Raises:
        UserError: nothing is there, or it is none of these; names what it is.
    """
    if isinstance(images, str | os.PathLike):
        root = Path(images)
        paths = image_files(root)
        return [(str(path.relative_to(root)) if path != root else root.name, path) for path in paths], root.is_file()
    if isinstance(images, list | tuple):
        found = [one for index, image in enumerate(images) for one in _one(image, index, channels)]
        if not found:
            raise UserError("images=[]: no image in it")
        return found, False
    found, alone = list(_one(images, 0, channels)), _is_alone(images, channels)
    if not found:
        raise UserError(f"images: an array of shape {np.shape(images)}, no image in it")
    return found, alone


def pixels_of(image: Single, channels: int, size: int) -> NDArray[np.uint8] | str:
    """Returns uint8 (channels, size, size) as `nastk.data.decode` makes them of a file, or why it cannot be decoded."""
    if isinstance(image, Path):
        return decoded(image, channels, size)
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=0)  # what a file would give, the network is given
    return decoded(stream.getvalue(), channels, size)


def _one(image: Any, index: int, channels: int) -> Iterator[Named]:
    if isinstance(image, str | os.PathLike):
        if not Path(image).is_file():
            raise UserError(f"images[{index}]={shortened(os.fspath(image))}: no such file")
        yield str(image), Path(image)
    elif isinstance(image, Image.Image):
        yield f"image {index}", _plain(ImageOps.exif_transpose(image))
    else:
        for offset, array in enumerate(_arrays(image, channels)):
            yield f"image {index + offset}", array


def _is_alone(images: Any, channels: int) -> bool:
    return isinstance(images, Image.Image) or _dimensions(np.asarray(images), channels) == 0


def _plain(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise UserError("images: a picture of floats (mode F), expected whole numbers, as L or RGB")
    return image if image.mode in WRITTEN else image.convert("RGB")


def _arrays(image: Any, channels: int) -> Sequence[NDArray[np.uint8]]:
    """Returns the images of an array, each (height, width) or (height, width, 3 or 4)."""
    found = np.asarray(image)
    if found.dtype != np.uint8:
        kind = f"an array of {found.dtype}" if found.ndim and found.dtype != object else type(image).__name__
        hint = "; (x * 255).round().astype('uint8') where they are 0 to 1" if found.dtype.kind == "f" else ""
        raise UserError(f"images: {kind}, expected a path, a picture of Pillow's or an array of uint8{hint}")
    several = _dimensions(found, channels)
    if several is None or 0 in found.shape[several:]:
        last = found.ndim in (3, 4) and found.shape[-3] in COLOURS
        hint = f"; np.moveaxis(x, {found.ndim - 3}, -1) brings the colours last" if last else ""
        expected = f"(height, width) or (height, width, 1, 3 or 4), or several of these{hint}"
        raise UserError(f"images: an array of shape {found.shape}, expected {expected}")
    if found.shape[-1] == 1 and found.ndim - several == 3:
        found = found[..., 0]
    return list(found) if several else [found]


def _dimensions(found: NDArray[Any], channels: int) -> int | None:
    """Returns how many dimensions count images, 0 or 1; None where the shape is not one of images."""
    coloured = found.ndim >= 3 and found.shape[-1] in COLOURS
    if found.ndim == 2 or (found.ndim == 3 and coloured):
        return 0
    if found.ndim == 3 and (channels == 1 or found.shape[0] not in COLOURS):
        return 1
    return 1 if found.ndim == 4 and coloured else None
