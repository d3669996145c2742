"""Image files of odd modes: 16 bits, transparent, palettes, ink, turned by EXIF."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MODES = ("RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I;16")
# What Pillow can write of them.
WRITABLE = {
    ".png": tuple(mode for mode in MODES if mode != "CMYK"),
    ".tif": MODES,
    ".webp": ("RGB", "RGBA"),
    ".jpg": ("RGB", "L", "CMYK"),
    ".mpo": ("RGB", "L", "CMYK"),
    ".bmp": ("RGB", "L", "1", "P"),
}


def turned(folder: Path, suffix: str, mode: str, orientation: int, size: tuple[int, int] = (91, 60)) -> Path:
    """Writes a picture (width, height in `size`) as it is stored, with a tag that says how the camera was held."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    grey = ((rows * 3 + columns * 2) % 256).astype(np.uint8)
    image = Image.fromarray(np.stack([grey, grey // 2, 255 - grey], 2))
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "P":
        image = image.quantize(16)
    else:
        image = image.convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(255 - grey // 3))
    options: dict[str, Any] = {".webp": {"lossless": True}, ".jpg": {"quality": 95}}.get(suffix, {})
    if suffix == ".mpo":  # what its second picture shows is of no account
        options = {"format": "MPO", "save_all": True, "append_images": [image.rotate(180)], "quality": 95}
    if suffix != ".bmp":
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    path = folder / f"{mode.replace(';', '')}_{orientation}{suffix}"
    image.save(path, **options)
    return path


def tiff(path: Path, values: np.ndarray, sample_format: int = 1, bits: int | None = None, photometric: int = 1) -> Path:
    """Writes whole or real numbers (height, width) as one grey strip, little-endian (TIFF 6.0, sections 2 and 19).

    Args:
        sample_format: 1 for unsigned, 2 for signed, 3 for float.
        bits: of a number; None for those of the array. 12 packs two numbers into three bytes.
        photometric: 0 where the least number is white, 1 where it is black.
    """
    height, width = values.shape
    data = values.tobytes()
    if bits == 12:
        first, second = values[:, ::2].astype(int), values[:, 1::2].astype(int)
        packed = [first >> 4, (first & 15) << 4 | second >> 8, second & 255]
        data = np.stack(packed, 2).astype(np.uint8).tobytes()
    tags = {256: width, 257: height, 258: bits or 8 * values.itemsize, 259: 1, 262: photometric, 273: 8}
    tags |= {277: 1, 278: height, 279: len(data), 339: sample_format}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = b"II*\0" + struct.pack("<I", 8 + len(data)) + data
    path.write_bytes(head + struct.pack("<H", len(tags)) + entries + bytes(4))
    return path


def photograph(folder: Path, name: str, mode: str) -> Path:
    """Writes a file of an odd mode, with a picture in it that shows what was cut and turned."""
    rows, columns = np.mgrid[0:60, 0:90]
    grey = ((rows * 3 + columns * 2) % 256).astype(np.uint8)
    image = Image.fromarray(np.stack([grey, grey // 2, 255 - grey], 2))
    options: dict[str, Any] = {}
    if mode in ("I;16", "I;16 clear"):
        image = Image.fromarray(grey.astype(np.uint16) * 257)
        options = {"transparency": 257 * 100} if mode == "I;16 clear" else {}
    elif mode == "turned":
        return turned(folder, Path(name).suffix, "RGB", 6).rename(folder / name)
    elif mode == "negative":
        return tiff(folder / name, 65535 - grey.astype("<u2") * 257, photometric=0)
    elif mode == "RGBA":
        image.putalpha(Image.fromarray(grey))
    elif mode == "P":
        image = image.quantize(16)
    else:
        image = image.convert(mode)
    image.save(folder / name, **options)
    return folder / name


ODD = {
    "sixteen.png": "I;16",
    "clear.png": "RGBA",
    "palette.png": "P",
    "grey.png": "L",
    "ink.jpg": "CMYK",
    "turned.jpg": "turned",
    "turned.mpo": "turned",
    "turned.png": "turned",
    "turned.tif": "turned",
    "turned.webp": "turned",
    "sixteen.tif": "I;16",
    "sixteen_clear.png": "I;16 clear",
    "negative.tif": "negative",
    "colour.webp": "RGB",
    "bit.bmp": "1",
    "upper.TIFF": "RGB",
}
