"""Which nodes of an int8 file compute in float32: stems, and those around layers that are kept in float32."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import onnx

from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.onnx.graph_index import WEIGHTED
from nastk.deploy.precision.scheme import Scheme


def float_stems(model: onnx.ModelProto, scheme: Scheme) -> frozenset[str]:
    """Returns the convolutions of the image that int8 would make slower, see `Scheme.float_stem`.

    What they give is in int8 all the same.

    Args:
        model: in float32, or with these convolutions in float32.
        scheme: of the int8.
    """
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    stems = (node for node in model.graph.node if node.op_type == "Conv" and node.input[0] == INPUT)
    weights = ((node.name, shapes[node.input[1]]) for node in stems if node.input[1] in shapes)
    return frozenset(name for name, shape in weights if _greatest(shape) <= scheme.float_stem)


def _greatest(shape: tuple[int, ...]) -> int:
    """Returns the products of a result or the weights of a pixel, whichever are more; weights are (O, I, H, W)."""
    return max(math.prod(shape[1:]), math.prod(shape[:2]))


def idle_nodes(model: onnx.ModelProto, kept: Collection[str]) -> frozenset[str]:
    """Returns the nodes without weights that int8 would gain nothing by, none where no layer is kept.

    Such a node has no layer in int8 next before it, or none next after it, other nodes without weights passed over:
    rounding there costs accuracy, and no convolution runs faster for it.

    Args:
        model: in float32.
        kept: names of the layers (Conv, Gemm) that stay in float32.
    """
    if not kept:
        return frozenset()
    nodes = list(model.graph.node)
    makers = {name: node.name for node in nodes for name in node.output}
    before: dict[str, list[str]] = {node.name: [makers[i] for i in node.input if i in makers] for node in nodes}
    after: dict[str, list[str]] = defaultdict(list)
    for name, sources in before.items():
        for source in sources:
            after[source].append(name)
    layers = {node.name: node.name not in kept for node in nodes if node.op_type in WEIGHTED}
    names = [node.name for node in nodes]
    fed, feeding = _next_to_int8(names, before, layers), _next_to_int8(reversed(names), after, layers)
    return frozenset(name for name in names if name not in layers and not (fed[name] and feeding[name]))


def _next_to_int8(
    order: Iterable[str], neighbours: Mapping[str, list[str]], layers: Mapping[str, bool]
) -> dict[str, bool]:
    """Returns whether a layer in int8 is reached over `neighbours`, which come first in `order`, passing no layer."""
    found: dict[str, bool] = {}
    for name in order:
        found[name] = any(layers.get(other, found[other]) for other in neighbours[name])
    return found
