"""An ONNX classifier from anywhere: what it takes, and the names of its classes where they lie beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime

from nastk.deploy.export.classifier import MAX_SIZE, checked_session
from nastk.deploy.manifest import LABELS
from nastk.errors import UserError
from nastk.outside import read_json

FLOATS = "tensor(float)"


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """A classifier in one file.

    Attributes:
        shape: of the images that it takes: channels, height, width.
        outputs: how many classes it tells apart.
        classes: their names by labels.json beside the file, None where there is none.
        session: of the file.
    """

    shape: tuple[int, int, int]
    outputs: int
    classes: tuple[str, ...] | None
    session: onnxruntime.InferenceSession


def open_file(path: Path) -> OnnxFile:
    """Opens an ONNX file that may be damaged or hostile.

    Raises:
        UserError: it is missing or damaged, cannot be run here, or is no network from float32 images (batch, channels,
            height, width), the batch free, to (batch, classes); or labels.json beside it is malformed.
    """
    session = checked_session(path)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shapes = [list(one.shape) for one in (*inputs, *outputs)]
    if len(inputs) != 1 or len(outputs) != 1 or {one.type for one in (*inputs, *outputs)} != {FLOATS}:
        raise UserError(
            f"{path}: has {len(inputs)} inputs and {len(outputs)} outputs, expected one of each, in float32"
        )
    image, logits = shapes
    sizes = [size for size in (*image[1:], *logits[1:]) if isinstance(size, int) and 1 <= size <= MAX_SIZE]
    if len(image) != 4 or len(logits) != 2 or len(sizes) != 4 or isinstance(image[0], int) or image[1] not in (1, 3):
        raise UserError(
            f"{path}: computes {_written(image)} to {_written(logits)}, expected (batch, 1 or 3 channels, height, "
            "width) to (batch, classes) with a free batch, the others fixed"
        )
    return OnnxFile((image[1], image[2], image[3]), logits[1], _classes(path.parent / LABELS), session)


def _classes(path: Path) -> tuple[str, ...] | None:
    if not path.exists():
        return None
    found: Any = read_json(path)
    names = found.get("classes") if isinstance(found, dict) else found
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: {str(found)[:60]}, expected a list of names, or an object with one as classes")
    return tuple(names)


def _written(shape: list[Any]) -> str:
    return f"({', '.join(str(size)[:20] for size in shape[:8])})"
