"""Whether an exported file does what the trained network does, how well, and which of the files to recommend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nastk.deploy.runtimes.latency import Latency
from nastk.stats.steadiness import cause, doubt

# Of the largest logit: what the order of float32 sums can make of it, with room for deep networks.
PARITY_TOLERANCE = 1e-3
# Two measurements of one file differ by as much on a quiet machine; less is no gain.
LEAST_GAIN = 0.02


class ParityError(Exception):
    """The float32 file does not compute what the network does: a defect of the writer, never to be shipped."""


@dataclass(frozen=True)
class Quality:
    """How a file answers on the test images.

    Attributes:
        accuracy: share of test images classified rightly.
        agreement: share on which it names the same class as the trained network in torch.
        max_difference: greatest absolute difference of a logit.
        balanced_accuracy: mean over the classes that have test images of the share that is right of theirs.
        held_out: accuracy on training images that the network was not trained on, by which files are chosen; None where
            there are none, and the test images decide.
    """

    accuracy: float
    agreement: float
    max_difference: float
    balanced_accuracy: float | None = field(default=None, compare=False)
    held_out: float | None = field(default=None, compare=False)


def torch_logits(network: nn.Module, images: NDArray[np.float32], batch: int = 256) -> NDArray[np.float32]:
    """Returns the logits (n, classes) of a network in eval mode."""
    with torch.inference_mode():
        parts = [network(torch.from_numpy(images[at : at + batch])).numpy() for at in range(0, len(images), batch)]
    return np.concatenate(parts)


def quality(logits: NDArray[np.float32], reference: NDArray[np.float32], labels: NDArray[np.int64]) -> Quality:
    """Compares a file's logits (n, classes) with those of torch and with the labels (n,)."""
    answers = logits.argmax(1)
    return Quality(
        accuracy=float((answers == labels).mean()),
        agreement=float((answers == reference.argmax(1)).mean()),
        max_difference=float(np.abs(logits - reference).max()),
        balanced_accuracy=float(np.mean([(answers[labels == label] == label).mean() for label in np.unique(labels)])),
    )


def check_parity(file: str, logits: NDArray[np.float32], reference: NDArray[np.float32]) -> None:
    """Raises ParityError where a number of the float32 file is further from torch's than rounding explains."""
    difference = float(np.abs(logits - reference).max())
    allowed = PARITY_TOLERANCE * max(1.0, float(np.abs(reference).max()))
    if not difference <= allowed:
        raise ParityError(f"{file}: an output differs from torch's by {difference:.3g}, allowed is {allowed:.3g}")


@dataclass(frozen=True)
class EvaluatedFile:
    """One exported file, and how it did; None where it cannot be run or timed on this machine."""

    precision: str
    file: str
    quality: Quality | None
    latency: Latency | None


def recommend(
    files: Sequence[EvaluatedFile], max_accuracy_drop: float, limit_ms: float | None = None
) -> tuple[str, str, tuple[str, ...]]:
    """Chooses the file to ship: the fastest of those that lose little enough, and the first where none gains.

    Where what that chooses breaks the limit on the latency, the most accurate file that keeps it is shipped, and where
    none does the fastest.

    Args:
        files: of one target, measured against each other; the first is what the others are compared with.
        max_accuracy_drop: that another may lose, as a share of the images held out, or of the test images where none
            were.
        limit_ms: p50 that the file to ship may take; None for no limit.

    Returns:
        The file's name, why, and what the user should be warned of.
    """
    files, where = _judged(files)
    first, chosen = files[0], files[0]
    reasons, warnings = [], []
    for other in files[1:]:
        gain, losses = _compared(first, other, max_accuracy_drop, where)
        if losses:
            warnings += losses
            reasons += losses if chosen is first else []
        elif chosen is first or _p50(other) < _p50(chosen):
            chosen, reasons = other, [gain]
    warnings += _unsteady(files)
    if limit_ms is not None and math.inf > _p50(chosen) > limit_ms:
        within = _within(files, limit_ms)
        if chosen not in within:
            chosen = within[0]
            reasons = [
                f"{chosen.precision} takes {_p50(chosen):.3g} ms, {first.precision} {_p50(first):.3g} ms, "
                f"{limit_ms:g} are allowed, and it {_changed(_accuracy(first) - _accuracy(chosen), where)}"
            ]
    return chosen.file, "; ".join(reasons) or "there is no other", tuple(warnings)


def recommend_untimed(files: Sequence[EvaluatedFile], max_accuracy_drop: float) -> tuple[str, str, tuple[str, ...]]:
    """Chooses the file to ship of a target whose times here decide nothing: the first after fp32 that loses little.

    Args, what is returned: as of `recommend`.
    """
    files, where = _judged(files)
    first, warnings = files[0], []
    for other in files[1:]:
        lost = _lost(first, other, max_accuracy_drop, where)
        if lost:
            warnings.append(lost)
        elif other.quality is None or first.quality is None:
            unknown = f"{other.precision} was not run on this machine: what accuracy it loses is not known"
            return other.file, unknown, (*warnings, unknown)
        else:
            drop = first.quality.accuracy - other.quality.accuracy
            return other.file, f"{other.precision} is what runs there, and it {_changed(drop, where)}", tuple(warnings)
    return first.file, "; ".join(warnings) or "there is no other", tuple(warnings)


def _judged(files: Sequence[EvaluatedFile]) -> tuple[Sequence[EvaluatedFile], str]:
    """Returns the files with the accuracies that decide as theirs, and words for where those were counted.

    They are those on the images held out, where all that were run have them.
    """
    found = []
    for one in files:
        if one.quality is not None and one.quality.held_out is None:
            return files, ""
        score = one.quality and replace(one.quality, accuracy=one.quality.held_out or 0.0)
        found.append(replace(one, quality=score))
    return found, " on held-out images"


def _within(files: Sequence[EvaluatedFile], limit_ms: float) -> list[EvaluatedFile]:
    """Returns the files within the limit, the most accurate first; where there is none the fastest."""
    known = [one for one in files if one.quality is not None and one.latency is not None]
    kept = [one for one in known if _p50(one) <= limit_ms]
    return sorted(kept, key=lambda one: (-_accuracy(one), _p50(one))) or [min(known, key=_p50)]


def shortcomings(target: str, files: Sequence[EvaluatedFile], max_accuracy_drop: float) -> list[str]:
    """Returns what a user should be warned of in the files of a further target, of which none is recommended."""
    files, where = _judged(files)
    losses = (_lost(files[0], other, max_accuracy_drop, where) for other in files[1:])
    return [f"target {target}: {line}" for line in (*filter(None, losses), *_unsteady(files))]


def _compared(
    first: EvaluatedFile, other: EvaluatedFile, max_accuracy_drop: float, where: str
) -> tuple[str, list[str]]:
    """Returns what speaks for `other`, and what against it."""
    name, lost = other.precision, _lost(first, other, max_accuracy_drop, where)
    losses = [lost] if lost else []
    if other.quality is None or first.quality is None or other.latency is None or first.latency is None:
        return "", [*losses, f"{name} was not {'run' if other.quality is None else 'timed'} on this machine"]
    drop = first.quality.accuracy - other.quality.accuracy
    before, after = first.latency.p50_ms, other.latency.p50_ms
    speed = f"{name} takes {after:.3g} ms, {first.precision} {before:.3g} ms"
    if not (first.latency.steady and other.latency.steady):
        speed += " (decided by timings that are not trustworthy)"
    if after > before * (1 - LEAST_GAIN):
        losses.append(f"{name} is not faster here (by at least {100 * LEAST_GAIN:.0f} %): {speed}")
    return f"{speed}, and it {_changed(drop, where)}", losses


def _changed(drop: float, where: str) -> str:
    """Returns in words how much accuracy is lost, as a share; what rounds to nothing is nothing."""
    points = round(100 * abs(drop), 2)
    if not points:
        return f"loses no accuracy{where}"
    return f"{'loses' if drop > 0 else 'gains'} {points:.2f} points of accuracy{where}"


def _lost(first: EvaluatedFile, other: EvaluatedFile, max_accuracy_drop: float, where: str) -> str | None:
    """Returns how much accuracy `other` loses where that is too much."""
    if first.quality is None or other.quality is None:
        return None
    before, after = first.quality.accuracy, other.quality.accuracy
    if before - after <= max_accuracy_drop:
        return None
    return (
        f"{other.precision} loses {100 * (before - after):.2f} points of accuracy{where} "
        f"({before:.4f} to {after:.4f}), more than the {100 * max_accuracy_drop:.2f} allowed"
    )


def _unsteady(files: Sequence[EvaluatedFile]) -> list[str]:
    return [
        f"{one.file}: {why_unsteady(one.latency)}{cause(why_unsteady(one.latency))}: its latency is not trustworthy"
        for one in files
        if one.latency is not None and not one.latency.steady
    ]


def why_unsteady(latency: Latency) -> str:
    """Returns why a latency is not to be trusted."""
    return latency.doubt or doubt(latency.p50_ms, latency.min_ms, latency.spread) or "it varied"


def _accuracy(evaluated: EvaluatedFile) -> float:
    return evaluated.quality.accuracy if evaluated.quality is not None else 0.0


def _p50(evaluated: EvaluatedFile) -> float:
    return evaluated.latency.p50_ms if evaluated.latency is not None else math.inf
