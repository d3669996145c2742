"""Which layers int8 costs most, and which to keep in float32 until the rest loses little enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nastk.deploy.emittable import Emittable
from nastk.deploy.onnx.graph_index import WEIGHTED, described
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.kept_float import float_stems
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.precision.scheme import X86, Scheme
from nastk.deploy.runtimes.session import open_session, predict
from nastk.progress import Count


@dataclass(frozen=True)
class Sensitivity:
    """What it costs to compute one layer in int8, all others in float32.

    Attributes:
        node: its name in the graph.
        where: operator, name, and cell and edge where the name tells.
        sqnr_db: the logits' mean square over that of their error, in decibels; the lower, the worse. Infinite where
            nothing changes.
    """

    node: str
    where: str
    sqnr_db: float


def rank_layers(source: Emittable, images: NDArray[np.float32], scheme: Scheme = X86) -> list[Sensitivity]:
    """Returns the convolutions and linear layers that int8 files compute in int8, the one that it costs most first.

    One layer at a time is quantized, with what it reads and what it gives, after Wu et al., "Integer Quantization for
    Deep Learning Inference: Principles and Empirical Evaluation", arXiv 2004.09602, section 5.2. They compare
    accuracies; logits tell small losses apart on few images.

    Args:
        source: a network and its ranges.
        images: (n, C, H, W), normalised, none of them test images.
        scheme: of the int8.
    """
    names = {node.name for node in source.model.graph.node if node.op_type in WEIGHTED}
    ranked = names - float_stems(source.model, scheme)
    layers = [node for node in source.model.graph.node if node.name in ranked]
    exact = predict(open_session(serialise(source.model), threads=0), images)
    found = []
    with Count("sensitivity", len(layers), "layer") as count:
        for node in layers:
            model = quantized_model(source.model, source.ranges, scheme, names - {node.name})
            error = predict(open_session(serialise(model), threads=0, exact=True), images) - exact
            found.append(Sensitivity(node.name, described(node), _decibels(exact, error)))
            count.add()
    return sorted(found, key=lambda layer: (layer.sqnr_db, layer.node))


def keep_worst(
    ranking: Sequence[Sensitivity], accuracy: Callable[[frozenset[str]], float], least: float
) -> tuple[frozenset[str], float]:
    """Keeps the first layers of a ranking in float32, as few as bring the accuracy to `least`.

    Their number is doubled until it is enough, then halved between: some evaluations where one at a time would take as
    many as there are layers.

    Args:
        ranking: of `rank_layers`.
        accuracy: of the int8 network whose layers of these names stay in float32.
        least: that is to be reached.

    Returns:
        The layers, all of them where no fewer suffice, and the accuracy with them.
    """

    def kept(count: int) -> frozenset[str]:
        return frozenset(layer.node for layer in ranking[:count])

    reached = accuracy(kept(0))
    too_few, enough = 0, 0
    while reached < least and enough < len(ranking):
        too_few, enough = enough, min(max(1, 2 * enough), len(ranking))
        reached = accuracy(kept(enough))
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        found = accuracy(kept(middle))
        if found >= least:
            enough, reached = middle, found
        else:
            too_few = middle
    return kept(enough), reached


def _decibels(exact: NDArray[np.float32], error: NDArray[np.float32]) -> float:
    noise = float(np.square(error, dtype=np.float64).mean())
    signal = float(np.square(exact, dtype=np.float64).mean())
    return 10 * math.log10(signal / noise) if noise and signal else math.inf
