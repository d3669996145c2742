"""What TensorRT reads: the rules that each of its graphs keeps, and those of int8 graphs."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from nastk.deploy.onnx.graph_index import GraphIndex
from nastk.deploy.precision import lint_rules as rules
from nastk.deploy.targets.tensorrt_operators import OPERATORS as TABLE
from nastk.deploy.targets.tensorrt_operators import VERSIONS
from nastk.deploy.targets.tensorrt_restrictions import RESTRICTIONS

OPERATORS = frozenset(TABLE)
# Whose data is not their first input.
_DATA = {"Where": 1}


def every_version_has_it(graph: GraphIndex) -> Iterator[rules.Breach]:
    """An operator is in the tables of all versions."""
    for node in graph.model.graph.node:
        known = TABLE[node.op_type].versions if node.op_type in TABLE else ()
        lacking = [version for version in VERSIONS if version not in known]
        if lacking:
            also = f"; {' and '.join(known)} has it" if known else ""
            yield node, f"no operator of TensorRT {' and '.join(lacking)}{also}"


def types_are_in_the_table(graph: GraphIndex) -> Iterator[rules.Breach]:
    """Data have a type that the table gives for their operator; the results of Cast, and constants, too."""
    types = _element_types(graph.model)
    for node in graph.model.graph.node:
        if node.op_type not in TABLE:
            continue
        data = node.input[_DATA.get(node.op_type, 0) :][:1]
        names = node.output if node.op_type in ("Constant", "ConstantOfShape") else data
        for name in (*names, *(node.output if node.op_type == "Cast" else ())):
            found, known = types.get(name), TABLE[node.op_type].types
            if found is not None and found not in known:
                yield node, _of_all(f"{name!r} of type {found}, expected {', '.join(sorted(known))}")


def restrictions_are_kept(graph: GraphIndex) -> Iterator[rules.Breach]:
    """What the table restricts, see `tensorrt_restrictions`."""
    for node in graph.model.graph.node:
        for name in TABLE[node.op_type].restrictions if node.op_type in TABLE else ():
            broken = RESTRICTIONS[name](node, graph)
            if broken is not None:
                yield node, _of_all(broken)


GRAPH_RULES: tuple[rules.Rule, ...] = (every_version_has_it, types_are_in_the_table, restrictions_are_kept)
RULES: tuple[rules.Rule, ...] = (
    rules.zero_points_are_zero,
    rules.weighted_inputs_are_converted,
    rules.weights_are_int8_a_channel,
    rules.biases_are_float,
    rules.additions_are_converted,
    rules.only_these_are_converted,
)


def _of_all(breach: str) -> str:
    return f"{breach} (TensorRT {' and '.join(VERSIONS)})"


def _element_types(model: onnx.ModelProto) -> dict[str, str]:
    """Returns ONNX's name of the type of each tensor that has one."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    return {name: onnx.TensorProto.DataType.Name(kind) for name, kind in types.items() if kind}


def quantized_convolutions(model: onnx.ModelProto) -> dict[str, int]:
    """Returns how many convolutions there are, and how many of them read int8 on both sides."""
    dequantized = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    in_int8 = sum(dequantized.issuperset(node.input[:2]) for node in convolutions)
    return {"convolutions": len(convolutions), "in_int8": in_int8}
