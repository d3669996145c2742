"""Decides what int8 files are written from: which weights, and which layers stay in float32."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from nastk.deploy.emittable import Emittable
from nastk.deploy.images import LabelledImages, balanced_indices, normalised
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.calibrate import Method
from nastk.deploy.precision.scheme import Scheme
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.tuning.sensitivity import Sensitivity, keep_worst, rank_layers
from nastk.deploy.tuning.tuned import TUNED, tuned_emittable
from nastk.outside import read_json
from nastk.progress import doing

# Accuracies are told apart to a twentieth of a point; more images take time for every layer that is weighed.
SCORED = 2000
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Labelled images to decide on, never the test images.

    Attributes:
        images: themselves.
        unseen: whether the network was not trained on them either.
    """

    images: LabelledImages
    unseen: bool


@dataclass(frozen=True, eq=False)
class Int8Wishes:
    """What an export does for the accuracy of int8, beside calibrating.

    Attributes:
        held_out: images to decide on.
        tuned: folder of the network fine-tuned for int8, None where there is none.
        sensitivity: whether layers are ranked, and the worst kept in float32.
        max_accuracy_drop: that int8 may lose, as a share of the images.
        method: of the calibration.
        scheme: of the int8 that is judged: the first target's.
    """

    held_out: HeldOut
    tuned: Path | None
    sensitivity: bool
    max_accuracy_drop: float
    method: Method
    scheme: Scheme


def int8_source(
    source: Emittable, wishes: Int8Wishes, mean: list[float], std: list[float]
) -> tuple[Emittable, dict[str, Any]]:
    """Chooses between the calibrated and the fine-tuned network, and the layers to keep in float32.

    Args:
        source: the trained network, calibrated.
        wishes: what to try.
        mean, std: that the images are normalised by, a number a channel.

    Returns:
        The source with `tuned` and `keep_float` set, and what the manifest says of it.
    """
    x, y = _to_score(wishes.held_out.images, mean, std)
    exact = _score(source.model, x, y)
    found: dict[str, Any] = {"images": len(y), "unseen": wishes.held_out.unseen, "float32": exact[0]}
    best = source
    calibrated = _score(source.quantized(wishes.scheme), x, y)
    found |= {"calibrated": calibrated[0], "fine_tuned": None, "weights": "calibrated", "qat": None}
    reached = calibrated[0]
    if wishes.tuned is not None:
        tuned = tuned_emittable(wishes.tuned, source, wishes.method)
        score = _score(tuned.quantized(wishes.scheme), x, y)
        found |= {"fine_tuned": score[0], "qat": read_json(wishes.tuned / TUNED)["facts"]}
        # Of equal accuracies the lower cross-entropy counts.
        if (score[0], -score[1]) > (calibrated[0], -calibrated[1]):
            best, reached = tuned, score[0]
            found["weights"] = "fine_tuned"
    kept: frozenset[str] = frozenset()
    if wishes.sensitivity:
        ranking = rank_layers(best, source.calibration, wishes.scheme)
        kept, reached = _kept(best, wishes, ranking, (x, y), exact[0])
        found["sensitivity"] = _ranked(ranking)
    found |= {"keep_float": sorted(kept), "int8": reached}
    if best is source:
        return dataclasses.replace(source, keep_float=kept), found
    return dataclasses.replace(source, tuned=dataclasses.replace(best, keep_float=kept)), found


def int8_loss(source: Emittable, images: LabelledImages, scheme: Scheme, mean: list[float], std: list[float]) -> float:
    """Returns the accuracy, as a share of the images, that a calibrated network loses by int8; below 0 it gains.

    Args:
        source: the trained network, calibrated.
        images: to judge it by, never the test images.
        scheme: of the int8.
        mean, std: that the images are normalised by, a number a channel.
    """
    x, y = _to_score(images, mean, std)
    return _score(source.model, x, y)[0] - _score(source.quantized(scheme), x, y)[0]


def _to_score(
    images: LabelledImages, mean: list[float], std: list[float]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Returns at most `SCORED` of the images, of all classes alike, normalised, and their labels."""
    chosen = balanced_indices(images, SCORED)
    return normalised(images.pixels(chosen), mean, std), images.y[chosen].numpy()


def _kept(
    best: Emittable, wishes: Int8Wishes, ranking: Sequence[Sensitivity], images: tuple[Any, Any], exact: float
) -> tuple[frozenset[str], float]:
    """Returns the layers to keep in float32, and the accuracy that int8 then has."""

    def accuracy(names: frozenset[str]) -> float:
        return _score(dataclasses.replace(best, keep_float=names).quantized(wishes.scheme), *images)[0]

    return keep_worst(ranking, accuracy, exact - wishes.max_accuracy_drop - ROUNDING)


def _ranked(ranking: Sequence[Sensitivity]) -> list[dict[str, Any]]:
    """Returns what the manifest says of the layers, the worst first."""
    return [{"node": layer.node, "where": layer.where, "sqnr_db": _finite(layer.sqnr_db)} for layer in ranking]


def _score(model: onnx.ModelProto, x: NDArray[np.float32], y: NDArray[np.int64]) -> tuple[float, float]:
    """Returns accuracy and mean cross-entropy."""
    with doing(f"scoring a file on {len(y)} images"):
        logits = predict(open_session(serialise(model), threads=0, exact=True), x).astype(np.float64)
    shifted = logits - logits.max(1, keepdims=True)
    likelihoods = shifted[np.arange(len(y)), y] - np.log(np.exp(shifted).sum(1))
    return float((logits.argmax(1) == y).mean()), float(-likelihoods.mean())


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None
