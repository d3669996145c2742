"""Every operation goes into an ONNX file that computes the same, and into an int8 file that is int8 behind its stem."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from nastk.deploy.onnx.writer import quick_model, write_onnx
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.quantize import quantize_int8
from nastk.deploy.precision.scheme import X86
from nastk.deploy.runtimes.session import open_session, predict
from nastk.genotype.key import ZERO_OPS
from nastk.ops import OPS, build_op
from nastk.ops.conv import conv_bn
from tests.deploy.int8 import beside_stems

SIZE = 9
CLASSES = 6

every_op = pytest.mark.parametrize("name", sorted(OPS))
every_use = pytest.mark.parametrize(
    ("channels_in", "channels_out", "stride"), [(8, 8, 1), (8, 8, 2), (16, 8, 1), (6, 12, 2)]
)


def network(name: str, channels_in: int, channels_out: int, stride: int, size: int = SIZE) -> nn.Module:
    """Returns the operation between a convolution and a classifier, with running statistics of images it has seen."""
    torch.manual_seed(0)
    before = conv_bn(3, channels_in, 3)
    after = [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels_out, CLASSES)]
    module = nn.Sequential(*before, build_op(name, channels_in, channels_out, stride), *after)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.normal_(part.bias, std=0.3)
    module.train()(torch.from_numpy(images(256, size)))
    return module.eval()


def images(count: int, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, 3, size, size)).astype(np.float32)


def expected(module: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy()


@every_op
@every_use
def test_onnx_file_computes_the_same_at_any_batch_size(
    name: str, channels_in: int, channels_out: int, stride: int, tmp_path: Path
) -> None:
    module = network(name, channels_in, channels_out, stride)
    quick_model(module, (1, 3, SIZE, SIZE))  # raises where the quick writer lacks a part, which write_onnx hides
    write_onnx(module, tmp_path / "model.onnx", (1, 3, SIZE, SIZE))
    session = open_session((tmp_path / "model.onnx").read_bytes())
    for count in (1, 5):
        np.testing.assert_allclose(predict(session, images(count)), expected(module, images(count)), atol=2e-5)


@every_op
@every_use
def test_int8_file_is_close_and_no_operator_of_it_falls_back_to_float(
    name: str, channels_in: int, channels_out: int, stride: int, tmp_path: Path
) -> None:
    module = network(name, channels_in, channels_out, stride)
    write_onnx(module, tmp_path / "model.onnx", (1, 3, SIZE, SIZE))
    quantize_int8(tmp_path / "model.onnx", tmp_path / "model.int8.onnx", images(128))
    found = predict(open_session((tmp_path / "model.int8.onnx").read_bytes()), images(64))
    reference = expected(module, images(64))
    if name in ZERO_OPS:
        np.testing.assert_allclose(found, reference, atol=0.05)
    else:
        error = np.square(found - reference).mean() / reference.var(axis=0).mean()
        assert error < 0.05
    fusion = beside_stems(int8_share(tmp_path / "model.int8.onnx"), X86)
    assert fusion.float_nodes == ()
    written = onnx.load(tmp_path / "model.onnx").graph.node
    assert fusion.in_int8 == fusion.convolutions == [node.op_type for node in written].count("Conv") - 1


@pytest.mark.parametrize("size", [1, 2])
def test_a_factorized_reduction_of_a_map_too_small_to_shift_can_be_deployed(size: int, tmp_path: Path) -> None:
    module = network("skip_connect", 8, 8, 2, size)
    write_onnx(module, tmp_path / "model.onnx", (1, 3, size, size))
    quantize_int8(tmp_path / "model.onnx", tmp_path / "model.int8.onnx", images(128, size))
    reference = expected(module, images(8, size))
    for name, tolerance in [("model.onnx", 2e-5), ("model.int8.onnx", 0.1)]:
        found = predict(open_session((tmp_path / name).read_bytes()), images(8, size))
        np.testing.assert_allclose(found, reference, atol=tolerance)
