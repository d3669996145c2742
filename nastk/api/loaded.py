"""An exported network in a program: `nastk.load(folder).predict(image)`, by the runtime that scored it; no torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from nastk.api.pixels import named_images, pixels_of
from nastk.deploy.export.classifier import Classifier, open_classifier
from nastk.errors import UserError
from nastk.jobs.find_export import find_export
from nastk.jobs.predict import predictions

SHOWN = 100


@dataclass(frozen=True)
class Prediction:
    """What a network sees in an image.

    Attributes:
        image: the file's name, or "image 0" for the first of those that have none.
        label: the likeliest class.
        probability: of it, 0 to 1.
        probabilities: of every class by its name, the likeliest first.
    """

    image: str
    label: str
    probability: float
    probabilities: Mapping[str, float]

    def _repr_html_(self) -> str:
        return _table([self])


class Predictions(list[Prediction]):
    """Predictions in the order of the images.

    Attributes:
        failed: why images of a folder were left out, by name: those that cannot be decoded.
    """

    def __init__(self, found: Iterable[Prediction], failed: Mapping[str, str]) -> None:
        super().__init__(found)
        self.failed = dict(failed)

    def _repr_html_(self) -> str:
        return _table(self)


class Loaded:
    """An exported network, its files checked against their hashes."""

    def __init__(self, folder: Path, classifier: Classifier) -> None:
        self.folder = folder
        self._classifier = classifier

    @property
    def file(self) -> Path:
        """The ONNX file that computes."""
        return self.folder / self._classifier.file

    @property
    def precision(self) -> str:
        """What the manifest calls that file: "fp32", "int8", ..."""
        return self._classifier.precision

    @property
    def runtime(self) -> str:
        """What computes, with its version: ONNX Runtime, or OpenVINO where the file was scored by that."""
        return self._classifier.runtime

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the network's outputs."""
        return self._classifier.classes

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width that images are brought to."""
        return self._classifier.channels, self._classifier.size, self._classifier.size

    def predict(self, images: Any) -> Prediction | Predictions:
        """Says what images show.

        Each is cut to its central square and brought to the network's size, as those that it was trained on.

        Args:
            images: a file, a picture of Pillow's, or a uint8 array (height, width) or (height, width, 1, 3 or 4); or
                several: a folder, which is searched with its folders, an array (n, ...), or a list.

        Returns:
            A `Prediction` for one image, `Predictions` for several.

        Raises:
            UserError: no such file, an array of another type or shape, an image that cannot be decoded (of a folder
                it is left out, see `Predictions.failed`), or what the network computes is not finite.
        """
        given, alone = named_images(images, self._classifier.channels)
        in_folder = isinstance(images, str | os.PathLike) and not alone
        found: list[Prediction] = []
        failed: dict[str, str] = {}
        names, several = [name for name, _ in given], [image for _, image in given]
        for name, answer in predictions(self._classifier, several, names, pixels_of):
            if not isinstance(answer, str):
                found.append(self._prediction(name, answer))
            elif in_folder:
                failed[name] = answer
            else:
                raise UserError(f"{name}: {answer}")
        if not found:
            raise UserError(f"{images}: not one of {len(given)} images can be decoded")
        return found[0] if alone else Predictions(found, failed)

    def _prediction(self, name: str, probabilities: Any) -> Prediction:
        order = np.argsort(-probabilities, kind="stable")
        ranked = {self.classes[index]: float(probabilities[index]) for index in order}
        return Prediction(name, self.classes[order[0]], float(probabilities[order[0]]), ranked)

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.input_shape))
        return f"nastk.load({str(self.folder)!r}, precision={self.precision!r})  # {shape}, {len(self.classes)} classes"


def load(folder: str | os.PathLike[str], precision: str | None = None) -> Loaded:
    """Opens an exported network.

    Args:
        folder: of the export, `<run>/export/<key>`, or of a run: then of its network to ship.
        precision: "fp32", "int8", ...; None for the recommended file.

    Raises:
        UserError: no export is there, it has no such precision, a file of it was changed, or it was scored by OpenVINO
            and that is not installed.
    """
    place = find_export(os.fspath(folder), None, "runs")
    return Loaded(place, open_classifier(place, precision))


def _table(found: list[Prediction]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.image)}</td><td>{escape(one.label)}</td><td>{one.probability:.4f}</td></tr>"
        for one in found[:SHOWN]
    )
    more = f"<p>and {len(found) - SHOWN:,} more</p>" if len(found) > SHOWN else ""
    return f"<table><tr><th>image</th><th>class</th><th>probability</th></tr>{rows}</table>{more}"
