"""Image files of odd modes: 16 bits, transparent, palettes, ink, turned by EXIF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def photograph(folder: Path, name: str, mode: str) -> Path:
    """Writes a file of an odd mode, with a picture in it that shows what was cut and turned."""
    rows, columns = np.mgrid[0:60, 0:90]
    grey = ((rows * 3 + columns * 2) % 256).astype(np.uint8)
    image = Image.fromarray(np.stack([grey, grey // 2, 255 - grey], 2))
    options = {}
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        options = {"exif": exif, "quality": 95}
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
    "colour.webp": "RGB",
    "bit.bmp": "1",
    "upper.TIFF": "RGB",
}
