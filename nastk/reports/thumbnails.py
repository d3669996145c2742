"""Small images within a page, as data: URIs, with what is said of each below it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LOSSLESS = 32  # pixels a side up to which an image is a PNG; larger ones are JPEGs
QUALITY = 82


def thumbnails(images: Sequence[NDArray[np.uint8]], captions: Sequence[tuple[str, str]]) -> str:
    """Returns a row of images that breaks where it has to.

    Args:
        images: (h, w, 1 or 3) each.
        captions: two lines of plain text for each.
    """
    figures = "".join(_figure(image, *caption) for image, caption in zip(images, captions, strict=True))
    return f'<div class="thumbs">{figures}</div>' if figures else ""


def _figure(image: NDArray[np.uint8], first: str, second: str) -> str:
    small = " small-image" if max(image.shape) <= LOSSLESS else ""
    told = f"<figcaption><b>{escape(first)}</b>{f'<span>{escape(second)}</span>' if second else ''}</figcaption>"
    alt = escape(f"{first}, {second}" if second else first)
    return f'<figure><img class="thumb{small}" src="{data_uri(image)}" alt="{alt}">{told}</figure>'


def data_uri(image: NDArray[Any]) -> str:
    """Returns an image (h, w, 1 or 3) of uint8 as a data: URI."""
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image))
    stream = io.BytesIO()
    if max(picture.size) <= LOSSLESS:
        picture.save(stream, "PNG", optimize=True)
        kind = "png"
    else:
        picture.save(stream, "JPEG", quality=QUALITY)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
