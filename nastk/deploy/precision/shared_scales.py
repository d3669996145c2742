"""Which tensors of a network share one scale, so that bytes are converted as seldom as possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

import onnx

from nastk.deploy.onnx.graph import INPUT

# Their result has the values, so also the scale, of what they are given; ONNX Runtime runs them in int8 only then.
SELECTING = ("MaxPool", "Flatten", "Slice", "Pad", "Expand", "Reshape", "Transpose", "Gather", "Resize")


def following(model: onnx.ModelProto, own: Collection[str] = ()) -> Mapping[str, str]:
    """Returns the tensors that are written in the scale of another, each with the name of that.

    A tensor with one reader takes the scale of the reader's result where that is a ReLU (what is negative counts for
    nothing), a concatenation (whose parts then need no conversion) or a selection; one that others read too is
    converted at the concatenation, once. What is selected from a tensor with several readers takes that tensor's scale.

    Args:
        model: in float32.
        own: tensors that have a scale of their own all the same.
    """
    readers = Counter(name for node in model.graph.node for name in node.input)
    found: dict[str, str] = {}
    bound = set(own)
    for node in model.graph.node:
        source, result = node.input[0], node.output[0]
        if node.op_type in SELECTING:
            if readers[source] == 1 and source not in bound and source != INPUT:
                found[source] = result
            else:
                found[result] = source
                bound.add(result)
        elif node.op_type in ("Concat", "Relu"):
            parts = node.input if node.op_type == "Concat" else [source]
            found |= {name: result for name in parts if readers[name] == 1 and name not in bound and name != INPUT}
    return {name: _end(name, found) for name in found}


def _end(name: str, steps: Mapping[str, str]) -> str:
    while name in steps:
        name = steps[name]
    return name
