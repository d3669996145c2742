"""A convolution takes over the padding and the crop before it, exactly, or leaves the crop alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from nastk.deploy.onnx.absorbed import cropped_by, grown
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.precision.scheme import ARM, X86, Scheme
from nastk.deploy.tuning.trainable import TrainableInt8
from nastk.deploy.tuning.write_back import write_back
from nastk.genotype import Cell, CellGenotype, Edge, Node
from nastk.networks import NetworkConfig, build_network, count_macs
from nastk.ops.identity import FactorizedReduction
from tests.deploy.int8 import beside_stems
from tests.deploy.networks import enliven, images
from tests.deploy.onnx.test_emitters import Around
from tests.deploy.onnx.test_writer import assert_parity

SHAPE = (1, 3, 16, 16)


class Read(nn.Module):
    """Modules behind a crop, or whatever else `before` does."""

    def __init__(self, before: Callable[[Tensor], Tensor], *then: nn.Module) -> None:
        super().__init__()
        self.before, self.then = before, nn.Sequential(*then)

    def forward(self, x: Tensor) -> Tensor:
        return self.then(self.before(x))


def both(x: Tensor) -> Tensor:
    return x[:, :, 1:, 1:]


TAKEN = {
    "by a pixel": Read(both, nn.Conv2d(6, 6, 1, 2)),
    "rows only": Read(lambda x: x[:, :, 1:, 0:], nn.Conv2d(6, 6, 3, 2, bias=False)),
    "columns only, oblong": Read(lambda x: x[:, :, :, 2:], nn.Conv2d(6, 6, (1, 2), (1, 3), groups=2)),
    "padded at the end": Read(both, nn.ZeroPad2d((0, 2, 0, 1)), nn.Conv2d(6, 6, 2, 2)),
    "depthwise": Read(both, nn.Conv2d(6, 6, 3, 2, groups=6)),
}
LEFT = {
    "padded at the beginning": Read(both, nn.Conv2d(6, 6, 3, 2, padding=1)),
    "padded left": Read(both, nn.ZeroPad2d((1, 0, 0, 0)), nn.Conv2d(6, 6, 3, 2)),
    "without a stride": Read(both, nn.Conv2d(6, 6, 1)),
    "by a whole stride": Read(lambda x: x[:, :, 2:, 2:], nn.Conv2d(6, 6, 1, 2)),
    "dilated": Read(both, nn.Conv2d(6, 6, 2, 2, dilation=2)),
    "from the end": Read(lambda x: x[:, :, -5:, 1:], nn.Conv2d(6, 6, 1, 2)),
    "up to an end": Read(lambda x: x[:, :, 1:9, 1:9], nn.Conv2d(6, 6, 1, 2)),
    "every other": Read(lambda x: x[:, :, 1::2, 1:], nn.Conv2d(6, 6, 1, 2)),
    "of channels": Read(lambda x: x[:, 1:, 1:, 1:], nn.Conv2d(5, 6, 1, 2)),
}


@pytest.mark.parametrize("name", [*TAKEN, *LEFT])
@pytest.mark.parametrize("size", [11, 12])
def test_a_crop_is_taken_over_or_left_alone_and_either_is_exact(name: str, size: int) -> None:
    torch.manual_seed(0)
    module = enliven(Around({**TAKEN, **LEFT}[name]))
    model = quick_model(module, (1, 3, size, size))
    assert_parity(model, module, images(3, 3, size, size))
    assert [node.op_type for node in model.graph.node if node.op_type in ("Slice", "Pad")] == ["Slice"] * (name in LEFT)


@pytest.mark.parametrize("size", [8, 7, 2, 1])
def test_a_factorized_reduction_is_two_convolutions_and_a_concatenation(size: int) -> None:
    torch.manual_seed(0)
    module = enliven(Around(nn.Sequential(nn.ReLU(), FactorizedReduction(6, 6))))
    model = quick_model(module, (1, 3, size, size))
    assert_parity(model, module, images(3, 3, size, size))
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == 3
    assert not {"Slice", "Pad"} & set(kinds)


def reductions() -> tuple[nn.Module, NetworkConfig]:
    """Returns a network of which every edge of a reduction is a factorized one."""
    add = Node((Edge(0, "skip_connect"), Edge(1, "skip_connect")))
    cell = Cell(2, (add, add), (2, 3))
    config = NetworkConfig(cells=1, filters=8, size=SHAPE[-1])
    torch.manual_seed(0)
    return enliven(build_network(CellGenotype("darts", (("normal", cell), ("reduction", cell))), config)), config


def shifted(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Returns the weights of the convolutions that took a crop over, by the name of the node."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = {node.name: constants[node.input[1]] for node in model.graph.node if node.op_type == "Conv"}
    return {name: weight for name, weight in weights.items() if weight.shape[2:] == (2, 2)}


def test_the_zeros_of_a_file_are_no_weights_and_no_products_of_the_network() -> None:
    network, config = reductions()
    model = quick_model(network, SHAPE)
    assert len(shifted(model)) == 10
    for weight in shifted(model).values():
        assert (weight != 0).sum((0, 1)).tolist() == [[0, 0], [0, weight[:, :, 0, 0].size]]
    convolutions = [module for module in network.modules() if isinstance(module, FactorizedReduction)]
    assert {tuple(part.odd[1].weight.shape[2:]) for part in convolutions} == {(1, 1)}
    counted = count_macs(network, config)
    assert counted == sum(
        node_macs(model, node) // (4 if node.name in shifted(model) else 1) for node in model.graph.node
    )


def node_macs(model: onnx.ModelProto, node: onnx.NodeProto) -> int:
    """Returns the products that a node of the file makes of one image, zeros included."""
    if node.op_type not in ("Conv", "Gemm"):
        return 0
    constants = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    values = onnx.shape_inference.infer_shapes(model).graph
    shapes = {value.name: value.type.tensor_type.shape.dim for value in (*values.value_info, *values.output)}
    pixels = np.prod([size.dim_value for size in shapes[node.output[0]][2:]], dtype=np.int64)
    return int(np.prod(constants[node.input[1]], dtype=np.int64) * pixels)


@pytest.mark.parametrize("scheme", [X86, ARM], ids=lambda scheme: scheme.name)
def test_in_int8_all_convolutions_but_the_stem_stay_and_zeros_cost_no_accuracy(scheme: Scheme, tmp_path: Path) -> None:
    network, _ = reductions()
    model = quick_model(network, SHAPE)
    int8 = quantized_model(model, tensor_ranges(model, images(16, *SHAPE[1:]).numpy()), scheme)
    (tmp_path / "int8.onnx").write_bytes(serialise(int8))
    fusion = beside_stems(int8_share(tmp_path / "int8.onnx", signed=scheme.symmetric), scheme)
    assert fusion.in_int8 == fusion.convolutions > 10
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in int8.graph.initializer}
    for name, weight in shifted(model).items():
        units, scale = constants[f"{name}.weight.int8"], constants[f"{name}.weight.scale"]
        greatest = np.abs(units[:, :, 1, 1]).max(1)  # half of it at the least where two products must not overflow
        assert ((64 if scheme.pairs else 127) <= greatest).all() and (greatest <= 127).all()
        assert (units[:, :, 0] == 0).all() and (units[:, :, :, 0] == 0).all()
        error = np.abs(units * scale[:, None, None, None] - weight)
        assert (error <= 0.501 * scale[:, None, None, None]).all()


def test_fine_tuning_keeps_the_zeros_and_comes_back_into_the_network() -> None:
    network, _ = reductions()
    model = quick_model(network, SHAPE)
    trained = TrainableInt8(model, tensor_ranges(model, images(16, *SHAPE[1:]).numpy()))
    optimizer = torch.optim.SGD(trained.parameters(), 0.01)
    trained(images(8, *SHAPE[1:])).square().sum().backward()
    optimizer.step()
    write_back(network, trained.folded(), SHAPE)
    before, after = shifted(model), shifted(quick_model(network, SHAPE))
    assert before.keys() == after.keys()
    for name, weight in after.items():
        assert not np.array_equal(weight, before[name])
        assert not weight[:, :, 0].any() and not weight[:, :, :, 0].any()
        assert np.array_equal(weight, trained.folded()[name].weight)


def test_only_what_was_grown_is_taken_for_a_crop() -> None:
    weight = torch.randn(4, 3, 2, 3)
    assert cropped_by(grown(weight, (1, 2)), (2, 3), (0, 0, 1, 1), (1, 1)) == (1, 2)
    assert cropped_by(weight, (2, 2), (0, 0, 0, 0), (1, 1)) == (0, 0)
    for strides, pads, dilations in (
        ((1, 1), (0, 0, 0, 0), (1, 1)),
        ((2, 2), (1, 1, 1, 1), (1, 1)),
        ((2, 2), (0, 0, 0, 0), (2, 2)),
    ):
        assert cropped_by(grown(weight, (1, 1)), strides, pads, dilations) == (0, 0)
    assert cropped_by(torch.zeros(4, 3, 2, 2), (2, 2), (0, 0, 1, 1), (1, 1)) == (0, 0)
