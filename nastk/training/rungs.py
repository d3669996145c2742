"""rungs.json of a final training: what it scored on held-out images on the way, before all of its epochs were done.

Successive halving (Jamieson, Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
AISTATS 2016, https://arxiv.org/abs/1502.07943) trains many networks a little, and goes on with the better half.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nastk.errors import UserError
from nastk.files import write_json
from nastk.outside import number_in, read_object
from nastk.training.outcome import METRICS

SCHEMA = 1
RUNGS = "rungs.json"


class Rung(NamedTuple):
    """Scores of a training that is not at its end.

    Attributes:
        epochs: done.
        validation_accuracy: of the averaged network on the images held out, 0 to 1.
        validation_loss: the same network's cross-entropy.
        validation_balanced_accuracy: the same network's, the mean over the classes; None in files of before.
    """

    epochs: int
    validation_accuracy: float
    validation_loss: float
    validation_balanced_accuracy: float | None = None


def read_rungs(folder: Path) -> list[Rung]:
    """Returns the scores kept in a training's folder, by epochs; raises UserError where the file is damaged."""
    path = folder / RUNGS
    if not path.exists():
        return []
    found = read_object(path)
    try:
        rungs = [Rung(**entry) for entry in found["rungs"]]
        return sorted(_numbers(one) for one in rungs)
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{path}: expected rungs, each with {', '.join(Rung._fields[:3])}; damaged, delete it to score anew"
        ) from None


def known_rung(folder: Path, epochs: int) -> Rung | None:
    """Returns the scores after so many epochs, or those of a training that has come to its end.

    Returns:
        None where neither is known.

    Raises:
        UserError: a file is damaged, or the training held no images out.
    """
    found = next((one for one in read_rungs(folder) if one.epochs == epochs), None)
    path = folder / METRICS
    if found is not None or not path.exists():
        return found
    metrics = read_object(path)
    accuracy, loss, balanced = (number_in(metrics, name, str(path)) for name in Rung._fields[1:])
    if accuracy is None or loss is None:
        raise UserError(f"{path}: {', '.join(Rung._fields[1:3])} missing; it was trained on all images, move it away")
    return Rung(epochs, accuracy, loss, balanced)


def begin_rungs(folder: Path) -> None:
    """Writes that a training has begun in rungs, of which none is done; what is there stays."""
    if not (folder / RUNGS).exists():
        _write(folder, [])


def write_rung(folder: Path, rung: Rung) -> Rung:
    """Adds scores to those of a training's folder, which exists, and returns them."""
    others = [one for one in read_rungs(folder) if one.epochs != rung.epochs]
    _write(folder, sorted([*others, rung]))
    return rung


def _write(folder: Path, rungs: list[Rung]) -> None:
    write_json(folder / RUNGS, {"schema": SCHEMA, "rungs": [_known(one) for one in rungs]})


def _numbers(one: Rung) -> Rung:
    balanced = one.validation_balanced_accuracy
    scores = float(one.validation_accuracy), float(one.validation_loss)
    return Rung(int(one.epochs), *scores, None if balanced is None else float(balanced))


def _known(one: Rung) -> dict[str, float]:
    return {name: value for name, value in one._asdict().items() if value is not None}
