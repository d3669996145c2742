"""The linter: what is written passes, and each rule that is broken is named, with the node that breaks it."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from nastk.deploy.onnx.graph_index import described
from nastk.deploy.onnx.torch_exporter import exported_model
from nastk.deploy.onnx.writer import onnx_model, quick_model
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.quantize import assumed_ranges, quantized_model
from nastk.deploy.targets import ArmTarget, CpuTarget, Target, TensorrtTarget
from nastk.errors import UserError
from tests.deploy.networks import SPACES, network, small

CPU, ARM, TENSORRT = CpuTarget(), ArmTarget(), TensorrtTarget()
TARGETS = (CPU, ARM, TENSORRT)
every_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


class Residual(nn.Module):
    """Two convolutions that are added: what every rule has something to say of."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(image))
        return self.head((x + self.body(x)).mean((2, 3)))


def written(
    target: Target, module: nn.Module | None = None, keep_float: frozenset[str] = frozenset()
) -> onnx.ModelProto:
    model = quick_model(module or Residual(), (1, 3, 16, 16))
    return quantized_model(model, assumed_ranges(model), target.scheme, keep_float)


def node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(one for one in model.graph.node if one.name == name)


def constant(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def put(model: onnx.ModelProto, name: str, value: np.ndarray) -> None:
    constant(model, name).CopyFrom(numpy_helper.from_array(value, name))


@every_target
@pytest.mark.parametrize("space", SPACES)
def test_what_is_written_keeps_the_rules(space: str, target: Target) -> None:
    for seed in range(3):
        module = network(space, seed)
        lint(quick_model(module, (1, 3, 16, 16)), target)
        lint(written(target, module), target)
    lint(written(target, small()), target)


@every_target
def test_layers_that_were_kept_in_float_are_exempt_from_the_rules_of_int8(target: Target) -> None:
    model = written(target, keep_float=frozenset({"body"}))
    lint(model, target)
    del model.metadata_props[:]
    first = "stem" if target is CPU else "body|add"  # the cpu's stem is in float without a request
    with pytest.raises(UserError, match=f"int8 for target {target.name}: .*'({first})'"):
        lint(model, target)


def zero_point(model: onnx.ModelProto) -> None:
    put(model, "stem.zero" if "stem.zero" in {t.name for t in model.graph.initializer} else "relu.zero", np.int8(3))


def unsigned(model: onnx.ModelProto) -> None:
    put(model, "relu.zero", np.uint8(0))


def signed(model: onnx.ModelProto) -> None:
    put(model, "relu.zero", np.int8(0))


def float_weights(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((4, 4, 3, 3), np.float32), "plain"))
    node(model, "body").input[1] = "plain"


def weights_a_tensor(model: onnx.ModelProto) -> None:
    put(model, "body.weight.scale", np.float32(0.1))
    put(model, "body.weight.zero", np.int8(0))


def weights_of_another_axis(model: onnx.ModelProto) -> None:
    conversion = node(model, node(model, "body").input[1])
    conversion.attribute[0].i = 1


def shifted_weights(model: onnx.ModelProto) -> None:
    put(model, "body.weight.zero", np.array([0, 5, 0, 0], np.int8))


def float_input(model: onnx.ModelProto) -> None:
    node(model, "body").input[0] = "relu"


def float_bias(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(4, np.float32), "plain"))
    node(model, "body").input[2] = "plain"


def bias_of_another_scale(model: onnx.ModelProto) -> None:
    put(model, "body.bias.scale", np.full(4, 0.5, np.float32))


def quantized_bias(model: onnx.ModelProto) -> None:
    values = {"units": np.zeros(4, np.int32), "unit": np.float32(1), "none": np.int32(0)}
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in values.items())
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", list(values), ["bias"], name="bias"))
    node(model, "body").input[2] = "bias"


def float_arm(model: onnx.ModelProto) -> None:
    node(model, "add").input[0] = "relu"


def read_in_float(model: onnx.ModelProto) -> None:
    node(model, "mean").input[0] = "body"


def pooled_in_int8(model: onnx.ModelProto) -> None:
    node(model, "mean").input[0] = node(model, "add").input[0]


@pytest.mark.parametrize(
    ("target", "damage", "message"),
    [
        (ARM, zero_point, "QuantizeLinear node 'stem.int8': zero point 3, expected 0"),
        (TENSORRT, zero_point, "QuantizeLinear node 'relu.int8': zero point 3, expected 0"),
        (ARM, unsigned, "zero point of type uint8, expected int8"),
        (TENSORRT, unsigned, "zero point of type uint8, expected int8"),
        (CPU, signed, "QuantizeLinear node 'relu.uint8': zero point of type int8, expected uint8"),
        *((target, float_weights, "Conv node 'body': weights that are not int8") for target in TARGETS),
        *((target, weights_a_tensor, r"'body': scales of shape \(\) on axis 0") for target in TARGETS),
        *((target, weights_of_another_axis, "on axis 1 of its weights, expected one a channel") for target in TARGETS),
        (CPU, shifted_weights, "'body': weights with a zero point, expected symmetric ones"),
        (TENSORRT, shifted_weights, "zero point 5, expected 0"),
        *((target, float_input, "'body': input 'relu' in float, expected a Quantize") for target in TARGETS),
        (CPU, float_bias, "'body': a bias that is not int32"),
        (ARM, bias_of_another_scale, "'body': a bias whose scale is not input scale times weight scale"),
        (TENSORRT, quantized_bias, "'body': a quantized bias, expected float32"),
        (TENSORRT, float_arm, "Add node 'add': arm 'relu' in float"),
        (TENSORRT, pooled_in_int8, "GlobalAveragePool node 'mean': reads .* from int8"),
        (CPU, read_in_float, "'body': its result is read in float by GlobalAveragePool"),
        (ARM, read_in_float, "'body': its result is read in float by GlobalAveragePool"),
    ],
)
def test_a_broken_rule_is_named(target: Target, damage: Callable[[onnx.ModelProto], None], message: str) -> None:
    model = written(target)
    damage(model)
    with pytest.raises(UserError, match=message):
        lint(model, target)


@every_target
@pytest.mark.parametrize("opset", [12, 99])
def test_an_opset_that_is_too_old_or_new_is_named(opset: int, target: Target) -> None:
    model = written(target)
    model.opset_import[0].version = opset
    with pytest.raises(UserError, match=f"target {target.name}: a graph of opset {opset}, expected 13 to 20"):
        lint(model, target)


class Folding(nn.Module):
    """An operation that no quantizer and not every runtime knows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.det(x.unsqueeze(-1) * x.unsqueeze(-2)[..., :1, :]).unsqueeze(-1) + x


def test_an_operator_that_a_target_lacks_is_named_with_its_cell_and_edge() -> None:
    module = network("nasbench201", 1)
    edge = next(index for index, part in enumerate(module.stages[2].edges) if isinstance(part, nn.Sequential))
    module.stages[2].edges[edge] = nn.Sequential(nn.Tanh(), Folding())
    model = onnx_model(module, (1, 3, 16, 16))
    with pytest.raises(UserError, match=rf"target tensorrt: .*\(cell 2, edge {edge}\): it has no operator Det"):
        lint(model, TENSORRT)


def test_an_operator_of_another_domain_is_named() -> None:
    model = written(CPU)
    node(model, "relu").domain = "com.example"
    with pytest.raises(UserError, match=r"target cpu: Relu node 'relu': it has no operator com\.example\.Relu"):
        lint(model, CPU)


def test_nodes_of_both_writers_tell_their_cell_and_edge() -> None:
    module = network("nasbench201", 1)
    for model in (quick_model(module, (1, 3, 16, 16)), exported_model(module, (1, 3, 16, 16))):
        places = [described(one) for one in model.graph.node if one.op_type == "Conv"]
        assert sum("(cell 2, edge " in place for place in places) == 2, places
    assert described(onnx.NodeProto(op_type="Relu", name="head_1")) == "Relu node 'head_1'"
