"""Casts a float32 ONNX graph to float16, but for its input, its output and what float16 cannot hold.

ONNX Runtime's own `transformers.float16` is not used: it puts its casts behind all other nodes, so that the graph is no
longer in the order in which it computes (ONNX's checker refuses it), gives two casts of one tensor one name, and clips
weights without a word.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from nastk.deploy.onnx.graph import INPUT, OUTPUT
from nastk.deploy.onnx.shapes import inferred_graph
from nastk.deploy.precision.calibrate import Ranges

# Sums over whole maps: 112 x 112 values of 6 leave float16's range, and small ones are lost beside a large sum.
# Exponentials leave it from 11.1 on.
SUMMING = (
    *("GlobalAveragePool", "ReduceMean", "ReduceSum", "Softmax", "LogSoftmax", "Exp"),
    *("InstanceNormalization", "LayerNormalization", "GroupNormalization"),
)
# They move values and compute none: a cast before them would serve nobody.
MOVING = (
    *("Flatten", "Slice", "Pad", "Expand", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "MaxPool", "Concat"),
    *("Gather", "DepthToSpace", "GlobalMaxPool"),
)
# Its factors are float32 whatever the type of its map.
RESIZING = "Resize"
# Half of float16's greatest, 65504: the calibration images need not show the greatest value.
GREATEST = 32752.0
TYPES = {False: TensorProto.FLOAT, True: TensorProto.FLOAT16}


def half_model(model: onnx.ModelProto, ranges: Ranges) -> onnx.ModelProto:
    """Returns the model with float16 weights and activations; `image` and `logits` stay float32.

    In float32 stay: sums over whole maps and exponentials; what reads or makes a tensor whose values on the calibration
    images, or a weight whose values, exceed half of float16's greatest; and what only moves values of such.

    Args:
        model: in float32; left as it is.
        ranges: of its tensors, from `tensor_ranges`.
    """
    return _Caster(model, ranges).model()


class _Caster:
    def __init__(self, model: onnx.ModelProto, ranges: Ranges) -> None:
        self.source = model
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.too_large = {name for name, bounds in ranges.items() if max(map(abs, bounds)) > GREATEST}
        self.floating = _float_tensors(model)
        for name in self.floating & self.constants.keys():
            if np.abs(numpy_helper.to_array(self.constants[name])).max(initial=0) > GREATEST:
                self.too_large.add(name)
        self.half = {INPUT: False}
        self.nodes: list[onnx.NodeProto] = []
        self.new_constants: dict[str, onnx.TensorProto] = {}

    def model(self) -> onnx.ModelProto:
        for node in self.source.graph.node:
            half = self._in_half(node)
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            of_type = 1 if node.op_type == RESIZING else len(node.input)
            copy.input[:] = [self._as(name, half and index < of_type) for index, name in enumerate(node.input)]
            self.nodes.append(copy)
            self.half.update(dict.fromkeys(node.output, half))
        if self.half[OUTPUT]:
            self._rename_output()
        model = onnx.ModelProto()
        model.CopyFrom(self.source)
        del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
        model.graph.node.extend(self.nodes)
        model.graph.initializer.extend(self.new_constants.values())
        return model

    def _in_half(self, node: onnx.NodeProto) -> bool:
        if node.op_type == "Cast" or self.floating.isdisjoint(node.input):
            return False
        if node.op_type in SUMMING or not self.too_large.isdisjoint((*node.input, *node.output)):
            return False
        if node.op_type in MOVING:
            return any(self.half[name] for name in node.input if name in self.half)
        return True

    def _as(self, name: str, half: bool) -> str:
        """Returns the name of a tensor or constant in the wanted type, cast where it is in the other; once for all."""
        if name in self.constants:
            return self._constant(name, half)
        if name not in self.floating or self.half[name] == half:
            return name
        other = f"{name}.{'float16' if half else 'float32'}"
        if other not in self.half:
            self.nodes.append(helper.make_node("Cast", [name], [other], name=other, to=TYPES[half]))
            self.half[other] = half
        return other

    def _constant(self, name: str, half: bool) -> str:
        tensor = self.constants[name]
        if not half or name not in self.floating:
            self.new_constants[name] = tensor
            return name
        other = f"{name}.float16"
        if other not in self.new_constants:
            self.new_constants[other] = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), other)
        return other

    def _rename_output(self) -> None:
        """Gives the public name to a cast of what bore it."""
        inner = f"{OUTPUT}.float16"
        for node in self.nodes:
            node.input[:] = [inner if name == OUTPUT else name for name in node.input]
            node.output[:] = [inner if name == OUTPUT else name for name in node.output]
        self.nodes.append(helper.make_node("Cast", [inner], [OUTPUT], name=f"{OUTPUT}.float32", to=TensorProto.FLOAT))


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    """Returns the names of all tensors and constants that are float32."""
    graph = inferred_graph(model)
    values = (*graph.input, *graph.value_info, *graph.output)
    found = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    return found | {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
