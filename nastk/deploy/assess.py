"""Whether an exported file does what the trained network does, how well, and which of the files to recommend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nastk.deploy.latency import Latency
from nastk.deploy.manifest import MODEL, MODEL_INT8

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
    """

    accuracy: float
    agreement: float
    max_difference: float


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
    )


def check_parity(logits: NDArray[np.float32], reference: NDArray[np.float32]) -> None:
    """Raises ParityError where a logit of the float32 file is further from torch's than rounding explains."""
    difference = float(np.abs(logits - reference).max())
    allowed = PARITY_TOLERANCE * max(1.0, float(np.abs(reference).max()))
    if not difference <= allowed:
        raise ParityError(f"{MODEL}: a logit differs from torch's by {difference:.3g}, allowed is {allowed:.3g}")


def recommend(
    fp32: Quality, int8: Quality, latencies: dict[str, Latency], max_accuracy_drop: float
) -> tuple[str, str, tuple[str, ...]]:
    """Chooses the file to ship.

    Args:
        fp32: of the float32 file.
        int8: of the int8 file.
        latencies: of both, by file name, measured against each other.
        max_accuracy_drop: that int8 may lose, as a share of the test images.

    Returns:
        The file's name, why, and what the user should be warned of.
    """
    drop = fp32.accuracy - int8.accuracy
    before, after = latencies[MODEL].p50_ms, latencies[MODEL_INT8].p50_ms
    speed = f"int8 takes {after:.3g} ms, fp32 {before:.3g} ms"
    warnings = []
    if drop > max_accuracy_drop:
        warnings.append(
            f"int8 loses {100 * drop:.2f} points of accuracy ({fp32.accuracy:.4f} to {int8.accuracy:.4f}), "
            f"more than the {100 * max_accuracy_drop:.2f} allowed"
        )
    if after > before * (1 - LEAST_GAIN):
        warnings.append(f"int8 is not faster here (by at least {100 * LEAST_GAIN:.0f} %): {speed}")
    chosen = MODEL if warnings else MODEL_INT8
    reason = "; ".join(warnings) or f"{speed}, and it loses {100 * drop:.2f} points of accuracy"
    for name, latency in latencies.items():
        if not latency.steady:
            warnings.append(f"{name}: p50 varied by {100 * latency.spread:.0f} % between repeats; the machine was busy")
    return chosen, reason, tuple(warnings)
