"""The int8 graph in torch computes what the file computes, and its weights come back into file and network."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

from nastk.deploy.onnx.torch_ops import TORCH_OPS, attributes_of
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.precision.scheme import ARM, TENSORRT, X86, Scheme
from nastk.deploy.tuning.trainable import TrainableInt8
from nastk.deploy.tuning.write_back import write_back
from nastk.errors import UserError
from tests.deploy.networks import Small, enliven, images, network, small

SHAPE = (1, 3, 16, 16)
X, MORE = images(32, *SHAPE[1:], seed=1).numpy(), images(8, *SHAPE[1:], seed=2)


class HardSwish(Small):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return super().forward(nn.functional.hardswish(image))


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    return {"small": small, "hard swish": lambda: enliven(HardSwish())}.get(name, lambda: network(name, 1))()


@pytest.mark.parametrize("scheme", [X86, ARM, TENSORRT], ids=lambda scheme: scheme.name)
@pytest.mark.parametrize("name", ["nasbench201", "small", "hard swish"])
def test_it_computes_what_the_file_says(name: str, scheme: Scheme) -> None:
    model = quick_model(made(name), SHAPE)
    ranges = tensor_ranges(model, X)
    expected = ReferenceEvaluator(quantized_model(model, ranges, scheme)).run(None, {"image": MORE.numpy()})[0]
    found = TrainableInt8(model, ranges, scheme)(MORE).detach().numpy()
    # A sum in another order can round one value to the next integer; most logits are equal to float32's last digits.
    difference = np.abs(found - expected) / np.abs(expected).max()
    assert np.median(difference) < 1e-6
    assert difference.max() < 0.02


@pytest.mark.parametrize("scheme", [X86, ARM], ids=lambda scheme: scheme.name)
def test_what_was_not_trained_is_emitted_as_before(scheme: Scheme) -> None:
    model = quick_model(made("nasnet"), SHAPE)
    ranges = tensor_ranges(model, X)
    learned = TrainableInt8(model, ranges, scheme).ranges()
    assert learned.keys() <= ranges.keys()
    again = quantized_model(model, {**ranges, **learned}, scheme)
    assert serialise(again) == serialise(quantized_model(model, ranges, scheme))


@pytest.mark.parametrize("name", ["nasnet", "small"])
def test_trained_weights_and_ranges_come_back_exactly(name: str) -> None:
    module = made(name)
    model = quick_model(module, SHAPE)
    trained = TrainableInt8(model, tensor_ranges(model, X))
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    write_back(module, trained.folded(), SHAPE)
    again = quick_model(module, SHAPE)
    assert [node.name for node in again.graph.node] == [node.name for node in model.graph.node]
    other = TrainableInt8(again, {**tensor_ranges(again, X), **trained.ranges()})
    for node, (weight, bias) in trained.folded().items():
        assert torch.equal(weight, other.folded()[node].weight)
        assert bias is None or torch.equal(bias, other.folded()[node].bias)
    torch.testing.assert_close(other(MORE), trained(MORE), rtol=0, atol=2e-2)


@pytest.mark.parametrize("scheme", [X86, TENSORRT], ids=lambda scheme: scheme.name)
def test_with_all_layers_kept_in_float_it_is_the_float_network(scheme: Scheme) -> None:
    module = made("small")
    model = quick_model(module, SHAPE)
    layers = {node.name for node in model.graph.node if node.op_type in ("Conv", "Gemm")}
    exact = TrainableInt8(model, tensor_ranges(model, X), X86, layers)
    torch.testing.assert_close(exact(MORE), module(MORE), rtol=0, atol=1e-6)


def test_every_weight_and_every_step_gets_a_gradient() -> None:
    model = quick_model(made("small"), SHAPE)
    trained = TrainableInt8(model, tensor_ranges(model, X))
    trained(MORE).square().sum().backward()
    assert len(trained.quantizers) > 5
    for name, parameter in trained.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.abs().sum() > 0), name


def test_the_range_that_makes_a_hard_swish_is_not_trained() -> None:
    model = quick_model(made("hard swish"), SHAPE)
    trained = TrainableInt8(model, tensor_ranges(model, X))
    fixed = [quantizer for quantizer in trained.quantizers if not quantizer.growth.requires_grad]
    assert len(fixed) == 1


def test_an_operator_without_gradient_is_named() -> None:
    model = quick_model(made("small"), SHAPE)
    ranges = tensor_ranges(model, X)
    node = next(node for node in model.graph.node if node.op_type == "Sigmoid")
    node.op_type = "Erf"
    with pytest.raises(UserError, match=f"{node.name!r} is a Erf"):
        TrainableInt8(model, ranges)


def test_weights_of_another_network_are_refused() -> None:
    model = quick_model(made("small"), SHAPE)
    folded = TrainableInt8(model, tensor_ranges(model, X)).folded()
    with pytest.raises(UserError, match="in the network or in its graph, but not in both"):
        write_back(made("nasbench201"), folded, SHAPE)


OPERATORS = [
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}, ()),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [0, 1, 1, 0]}, ()),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, ()),
    ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, ()),
    ("MaxPool", {"kernel_shape": [3, 3], "pads": [1, 0, 0, 1], "strides": [2, 2]}, ()),
    ("MaxPool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "dilations": [2, 2]}, ()),
    ("Pad", {}, (np.array([0, 0, 1, 0, 0, 0, 2, 3]), np.float32(1.5))),
    ("Slice", {}, (np.array([1, 2]), np.array([2**62, 6]), np.array([2, 3]), np.array([1, 2]))),
    ("Clip", {}, (np.float32(0), np.float32(0.5))),
    ("Expand", {}, (np.array([1, 4, 1, 1]),)),
    ("Reshape", {}, (np.array([0, -1]),)),
    ("Transpose", {"perm": [0, 2, 3, 1]}, ()),
    ("Flatten", {}, ()),
    ("GlobalAveragePool", {}, ()),
    ("HardSigmoid", {"alpha": 0.15, "beta": 0.4}, ()),
    ("LeakyRelu", {"alpha": 0.0}, ()),
    ("Sub", {}, (np.float32(0.25),)),
]


@pytest.mark.parametrize(("op", "how", "others"), OPERATORS)
def test_operators_are_those_of_onnx(op: str, how: dict, others: tuple) -> None:
    x = images(2, 4, 7, 7, seed=3)
    names = [f"c{index}" for index in range(len(others))]
    node = helper.make_node(op, ["x", *names], ["y"], **how)
    constants = [numpy_helper.from_array(np.asarray(other), name) for other, name in zip(others, names, strict=True)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    graph = helper.make_graph([node], "one", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    expected = ReferenceEvaluator(model).run(None, {"x": x.numpy()})[0]
    inputs = [x, *(torch.from_numpy(np.asarray(other)) for other in others)]
    torch.testing.assert_close(TORCH_OPS[op](inputs, attributes_of(node)), torch.from_numpy(expected))
