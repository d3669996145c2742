"""The points of the front benchmark: which images, how fast a network has to be, in which precision."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from nastk.errors import UserError, unknown

IMAGES = ("photos20", "photos", "fashion_mnist", "cifar10")
PHOTO_SIDE = 64
CIFAR_TEST = 4_500


class Point(NamedTuple):
    """Images, a limit on the latency at batch 1 on one thread, and the precision that is limited.

    Attributes:
        name: of the point, `<images>-<precision>-<limit in ms>`.
        images: of `IMAGES`.
        precision: "fp32" or "int8".
        limit_ms: p50 of the exported file.
    """

    name: str
    images: str
    precision: str
    limit_ms: float


def _points() -> dict[str, Point]:
    rows = [
        *(("photos20", "fp32", 0.15), ("photos", "fp32", 0.15), ("photos", "fp32", 0.3), ("photos", "int8", 0.1)),
        *(("fashion_mnist", "fp32", 0.15), ("fashion_mnist", "fp32", 0.3), ("fashion_mnist", "int8", 0.1)),
        *(("cifar10", "fp32", 0.3), ("cifar10", "int8", 0.1)),
    ]
    points = [Point(f"{images}-{precision}-{limit:g}", images, precision, limit) for images, precision, limit in rows]
    return {point.name: point for point in points}


POINTS = _points()


def point_named(name: str) -> Point:
    """Returns a point, one of `POINTS` or of its form; raises UserError with the nearest names for another."""
    images, _, rest = name.partition("-")
    precision, _, limit = rest.partition("-")
    try:
        point = Point(name, images, precision, float(limit))
    except ValueError:
        raise unknown("point", name, POINTS) from None
    if images not in IMAGES or precision not in ("fp32", "int8") or not point.limit_ms > 0:
        raise unknown("point", name, POINTS)
    return point


def data_words(point: Point, data: Path, work: Path) -> list[str]:
    """Returns the settings of nastk that name a point's images; arrays are written into `work` where they need to be.

    Args:
        point: which images.
        data: folder of fashion-mnist/, cifar10/ and photos/.
        work: for the arrays.

    Raises:
        UserError: the files are not there.
    """
    if point.images == "fashion_mnist":
        return ["data=fashion_mnist", f"data.root={_there(data / 'fashion-mnist')}"]
    source = data / ("cifar10/cifar10_18k4k5_webp.npz" if point.images == "cifar10" else "photos/sign_digits_100px.npz")
    path = work / f"{point.images}.npz"
    if not path.exists():
        arrays = _cifar(_there(source)) if point.images == "cifar10" else _photos(_there(source))
        if point.images == "photos20":
            arrays = _few(arrays, 20)
        np.savez(path, **arrays)
    # Hands are of the same class mirrored, and so are the things of CIFAR-10.
    return ["data=npz", f"data.root={path}", "data.flip=true"]


def _there(path: Path) -> Path:
    if not path.exists():
        raise UserError(f"{path}: not there, expected the images of the benchmark; give --data FOLDER")
    return path


def _photos(path: Path) -> dict[str, np.ndarray]:
    stored = np.load(path, allow_pickle=False)
    offsets, labels, split = stored["offsets"], stored["labels"], stored["split"]
    jpeg = stored["jpeg"].tobytes()
    images = np.stack([_decoded(jpeg[start:end]) for start, end in itertools.pairwise(offsets)])
    parts = {"train": split == 0, "test": split == 1}
    arrays = {f"x_{name}": images[chosen] for name, chosen in parts.items()}
    return {**arrays, **{f"y_{name}": labels[chosen].astype(np.int64) for name, chosen in parts.items()}}


def _decoded(jpeg: bytes) -> np.ndarray:
    return np.asarray(_opened(jpeg).resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS))


def _cifar(path: Path) -> dict[str, np.ndarray]:
    """Reads the packed strips; the last 4,500 images are test images of CIFAR-10."""
    stored = np.load(path, allow_pickle=False)
    webp, offsets, labels = stored["webp"].tobytes(), stored["offsets"], stored["labels"].astype(np.int64)
    strips = [np.asarray(_opened(webp[start:end])) for start, end in itertools.pairwise(offsets)]
    images = np.concatenate([strip.reshape(-1, 32, 32, 3) for strip in strips])
    cut = len(images) - CIFAR_TEST
    return {"x_train": images[:cut], "y_train": labels[:cut], "x_test": images[cut:], "y_test": labels[cut:]}


def _opened(packed: bytes) -> Image.Image:
    with Image.open(io.BytesIO(packed)) as image:
        return image.convert("RGB")


def _few(arrays: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """Returns the arrays with the first `count` training images of each class, all test images."""
    labels = arrays["y_train"]
    chosen = np.sort(np.concatenate([np.flatnonzero(labels == one)[:count] for one in np.unique(labels)]))
    return {**arrays, "x_train": arrays["x_train"][chosen], "y_train": labels[chosen]}
