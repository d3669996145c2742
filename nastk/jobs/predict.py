"""The prediction as a step: what an exported network sees in image files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nastk.data.decode import SUFFIXES, CorruptImage, decode
from nastk.deploy.export.classifier import Classifier, open_classifier
from nastk.errors import UserError, unknown
from nastk.jobs.find_export import find_export

SCHEMA = 1
FORMATS = ("table", "json")
BATCH = 64
WIDEST = 60
Given = TypeVar("Given")


@dataclass(frozen=True, kw_only=True)
class PredictSettings:
    """What is predicted by what, see the help of each."""

    run: str | None = field(default=None, metadata={"help": "a run that has one export, its name or its path"})
    model: str | None = field(default=None, metadata={"help": "or the folder of an export, <run>/export/<key>"})
    runs: str = field(default="runs", metadata={"help": "where run folders lie"})
    images: str = field(metadata={"help": "an image file, or a folder, searched with all its folders"})
    precision: str | None = field(default=None, metadata={"help": "fp32, int8, ...; null for the recommended file"})
    format: str = field(default="table", metadata={"help": "table or json"})
    top: int = field(default=1, metadata={"help": "how many classes of each image are shown, the likeliest first"})

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise unknown("format", self.format, FORMATS)
        if self.top < 1:
            raise UserError(f"top={self.top}: expected at least 1")


def run_predict(settings: PredictSettings) -> int:
    """Prints the classes of every image with their probabilities.

    An image that cannot be decoded is named on stderr, the others are predicted.

    Returns:
        The exit code: 0, or 1 where images were left out.

    Raises:
        UserError: no such export or image, a file of the export was changed, what it computes is not finite, or not one
            image can be decoded.
    """
    root = Path(settings.images)
    paths = image_files(root)
    export = find_export(settings.model, settings.run, settings.runs)
    classifier = open_classifier(export, settings.precision)
    names = [str(path.relative_to(root)) if path != root else root.name for path in paths]
    width = min(max(map(len, names)), WIDEST)
    found, failed = [], []
    for name, answer in predictions(classifier, paths, names, decoded):
        if isinstance(answer, str):
            if len(paths) == 1:
                raise UserError(f"{root}: {answer}")
            failed.append({"image": name, "reason": answer})
            print(_shown(f"nastk: {name}: {answer}; left out"), file=sys.stderr)
            continue
        entry = {"image": name, **_ranked(classifier.classes, answer, settings.top)}
        found.append(entry)
        if settings.format == "table":
            ranked = "  ".join(f"{one['label']} {one['probability']:.4f}" for one in entry["top"])
            print(_shown(f"{name:<{width}}  {ranked}"))
    if not found:
        raise UserError(f"{root}: not one of {len(paths)} images can be decoded")
    if settings.format == "json":
        about = {"schema": SCHEMA, "model": str(export), "file": classifier.file, "precision": classifier.precision}
        about["runtime"] = classifier.runtime
        print(json.dumps({**about, "predictions": found, "failed": failed}, indent=2, ensure_ascii=True))
    return 1 if failed else 0


def image_files(root: Path) -> list[Path]:
    """Returns the file, or the image files of the folder and its folders by their suffix, sorted, hidden ones left out.

    Raises:
        UserError: there is nothing, or no image.
    """
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise UserError(f"images={str(root)!r}: no such file or folder")
    found = []
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(".")]
        named = (one for one in files if one.lower().endswith(SUFFIXES) and not one.startswith("."))
        found += [path for path in (Path(folder, one) for one in named) if path.is_file()]  # a pipe would never end
    if not found:
        raise UserError(f"images={str(root)!r}: no image in it ({', '.join(SUFFIXES)})")
    return sorted(found)


def predictions(
    classifier: Classifier,
    images: Sequence[Given],
    names: Sequence[str],
    pixels_of: Callable[[Given, int, int], NDArray[np.uint8] | str],
) -> Iterator[tuple[str, NDArray[np.float64] | str]]:
    """Yields the name of each image with its probabilities (classes,), or why it cannot be decoded, in order.

    Args:
        classifier: of an export.
        images: files, say.
        names: of the images.
        pixels_of: makes of an image, the number of channels and the side what the network takes; see `decoded`.
    """
    for start in range(0, len(images), BATCH):
        found = [pixels_of(image, classifier.channels, classifier.size) for image in images[start : start + BATCH]]
        pixels = [one for one in found if not isinstance(one, str)]
        answers = iter(classifier.probabilities(np.stack(pixels))) if pixels else iter(())
        for name, one in zip(names[start : start + BATCH], found, strict=True):
            yield name, one if isinstance(one, str) else next(answers)


def decoded(path: Path | bytes, channels: int, size: int) -> NDArray[np.uint8] | str:
    """Returns an image file, or its bytes, as `nastk.data.decode` makes it, or why it cannot be decoded."""
    try:
        return decode(path, channels, size)
    except CorruptImage as error:
        return error.reason
    except UserError as error:
        return str(error).removeprefix(f"{path!s}: ")


def _ranked(classes: Sequence[str], probabilities: NDArray[np.float64], count: int) -> dict[str, Any]:
    order = np.argsort(-probabilities, kind="stable")[:count]
    top = [{"label": classes[index], "probability": round(float(probabilities[index]), 6)} for index in order]
    return {**top[0], "top": top}


def _shown(line: str) -> str:
    """Returns a line as a terminal can bear it: names of files and classes may hold anything."""
    return "".join(sign if sign.isprintable() else "?" for sign in line)
