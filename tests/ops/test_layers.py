"""Every layer of the table: shapes, gradients, an ONNX file that computes the same, and int8 around and, where there is
a kernel, in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from nastk.deploy.onnx.torch_graph import TorchGraph
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.half import half_model
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.precision.scheme import ARM, X86, Scheme
from nastk.deploy.precision.unsigned import as_uint8
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.tuning.trainable import TrainableInt8
from nastk.errors import UserError
from nastk.ops.layers import MAPS, SEQUENCES, build_layer
from tests.deploy.int8 import beside_stems

CHANNELS, SIZE, CLASSES = 16, 9, 5
SHAPE = (1, 3, SIZE, SIZE)
# Half a unit in the last of float16's 11 bits, for the roundings of a few layers.
HALF_STEPS = 8 * 2**-11
HALVED, DOUBLED = 5, 18
SIDES = {
    "strided_conv": HALVED,
    "max_pool": HALVED,
    "transposed_conv": DOUBLED,
    "nearest_upsampling": DOUBLED,
    "bilinear_upsampling": DOUBLED,
    "global_average_pool": 1,
    "global_max_pool": 1,
}
LENGTHS = {"conv_1d": 5, "max_pool_1d": 5, "average_pool_1d": 4, "global_average_pool_1d": 1}
# ONNX Runtime has no int8 kernel for these; each costs a conversion before it and one behind it, no more.
IN_FLOAT = {
    "transposed_conv": ["ConvTranspose"],
    "bilinear_upsampling": ["Resize"],
    "global_max_pool": ["GlobalMaxPool"],
    "layer_norm": ["LayerNormalization"],
    "group_norm": ["InstanceNormalization"],
    "instance_norm": ["InstanceNormalization"],
}

every_layer = pytest.mark.parametrize("name", sorted({**MAPS, **SEQUENCES}))


class Around(nn.Module):
    """A layer between a convolution and another, so that it reads what a network's layers read."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.sequence = name in SEQUENCES
        self.before = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.layer = build_layer(name, CHANNELS)
        self.after = (nn.Conv1d if self.sequence else nn.Conv2d)(CHANNELS, CHANNELS, 1)
        self.pool: nn.Module = nn.AdaptiveAvgPool1d(1) if self.sequence else nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(CHANNELS, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        x = self.before(image)
        x = self.after(self.layer(x.flatten(2) if self.sequence else x))
        return self.head(self.pool(torch.relu(x)).flatten(1))


def made(name: str) -> nn.Module:
    """Returns the network with statistics of images that it has seen, in eval mode."""
    torch.manual_seed(0)
    network = Around(name)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d):
            part.momentum = None
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.normal_(part.bias, std=0.3)
    network.train()(torch.from_numpy(images(64)))
    return network.eval()


def images(count: int) -> np.ndarray:
    """Returns smooth images, as photographs are, each of its own contrast."""
    random = np.random.default_rng(count)
    coarse = torch.from_numpy(random.normal(size=(count, 3, 4, 4)).astype(np.float32))
    smooth = torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bilinear").numpy()
    return (3 * smooth * random.uniform(0.5, 1.5, (count, 1, 1, 1))).astype(np.float32)


def expected(module: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy()


@every_layer
def test_keeps_channels_and_gives_the_size_of_its_definition(name: str) -> None:
    layer = build_layer(name, CHANNELS).eval()
    if name in SEQUENCES:
        assert layer(torch.randn(2, CHANNELS, SIZE)).shape == (2, CHANNELS, LENGTHS.get(name, SIZE))
    else:
        side = SIDES.get(name, SIZE)
        assert layer(torch.randn(2, CHANNELS, SIZE, SIZE)).shape == (2, CHANNELS, side, side)


@every_layer
def test_gradients_reach_every_parameter_and_the_input(name: str) -> None:
    torch.manual_seed(0)
    layer = build_layer(name, CHANNELS).train()
    x = torch.randn(8, CHANNELS, *[SIZE] * (1 if name in SEQUENCES else 2), requires_grad=True)
    y = layer(x)
    (y * torch.randn(y.shape)).sum().backward()
    for parameter_name, parameter in layer.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, parameter_name
    assert x.grad is not None and x.grad.abs().sum() > 0


@every_layer
def test_the_quick_writer_gives_a_file_that_computes_the_same_at_any_batch_size(name: str) -> None:
    network = made(name)
    session = open_session(serialise(quick_model(network, SHAPE)))
    for count in (1, 5):
        np.testing.assert_allclose(predict(session, images(count)), expected(network, images(count)), atol=1e-5)


@every_layer
def test_float16_file_and_the_graph_in_torch_compute_nearly_the_same(name: str) -> None:
    network = made(name)
    model, reference = quick_model(network, SHAPE), expected(network, images(5))
    half = half_model(model, tensor_ranges(model, images(64)))
    onnx.checker.check_model(half, full_check=True)
    allowed = HALF_STEPS * np.abs(reference).max()
    np.testing.assert_allclose(predict(open_session(serialise(half)), images(5)), reference, atol=allowed)
    found = TorchGraph(model, "cpu")(torch.from_numpy(images(5))).numpy()
    np.testing.assert_allclose(found, reference, atol=1e-5)


@every_layer
@pytest.mark.parametrize("scheme", [X86, ARM], ids=lambda scheme: scheme.name)
def test_int8_file_is_close_and_only_what_has_no_kernel_is_in_float(name: str, scheme: Scheme, tmp_path: Path) -> None:
    network = made(name)
    model = quick_model(network, SHAPE)
    int8 = quantized_model(model, tensor_ranges(model, images(64)), scheme)
    path = tmp_path / "model.int8.onnx"
    path.write_bytes(serialise(int8))
    runs_here = serialise(int8 if scheme is X86 else as_uint8(int8))
    found, reference = predict(open_session(runs_here, exact=True), images(48)), expected(network, images(48))
    assert np.square(found - reference).mean() < 0.02 * reference.var(axis=0).mean()
    fusion = beside_stems(int8_share(path, signed=scheme is ARM), scheme)
    assert fusion.in_int8 == fusion.convolutions >= 1
    assert sorted(node.op for node in fusion.float_nodes) == IN_FLOAT.get(name, [])
    if scheme is ARM:
        (tmp_path / "here.onnx").write_bytes(runs_here)
        assert int8_share(tmp_path / "here.onnx").float_nodes == fusion.float_nodes
    # The image or the stem's result into int8, the logits out of it, and in and out around what is in float.
    assert fusion.conversions <= (4 if name in IN_FLOAT else 2)


@every_layer
def test_what_is_trained_in_int8_computes_what_the_file_does(name: str) -> None:
    network = made(name)
    model = quick_model(network, SHAPE)
    ranges = tensor_ranges(model, images(64))
    found = TrainableInt8(model, ranges)(torch.from_numpy(images(48))).detach().numpy()
    file = predict(open_session(serialise(quantized_model(model, ranges))), images(48))
    assert np.square(found - file).mean() < 0.002 * file.var(axis=0).mean()


def test_an_unknown_layer_names_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown layer 'relu7'; nearest is 'relu"):
        build_layer("relu7", 8)


@pytest.mark.parametrize("channels", [0, 6])
def test_channels_that_the_groups_do_not_divide_are_refused(channels: int) -> None:
    with pytest.raises(UserError, match=f"layer 'group_norm': channels={channels}, expected a multiple of 4"):
        build_layer("group_norm", channels)
