"""Channel shuffle is one copy in an exported file, in int8 too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.quantize import quantize_int8
from nastk.deploy.precision.scheme import X86
from nastk.deploy.runtimes.session import open_session, predict
from nastk.ops.shuffle import ChannelShuffle
from tests.deploy.int8 import beside_stems


def test_is_one_copy_of_bytes_between_grouped_convolutions(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ends = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5)
    network = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1, groups=3), ChannelShuffle(12, 3), nn.Conv2d(12, 12, 1, groups=4), *ends
    ).eval()
    model = quick_model(network, (1, 3, 7, 7))
    assert [node.op_type for node in model.graph.node].count("Gather") == 1
    path = tmp_path / "model.onnx"
    path.write_bytes(serialise(model))
    images = np.random.default_rng(0).normal(size=(32, 3, 7, 7)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(predict(open_session(path.read_bytes()), images), expected, atol=1e-5)
    quantize_int8(path, tmp_path / "int8.onnx", images)
    found = predict(open_session((tmp_path / "int8.onnx").read_bytes()), images)
    assert np.square(found - expected).mean() < 0.01 * expected.var(axis=0).mean()
    fusion = beside_stems(int8_share(tmp_path / "int8.onnx"), X86)
    assert fusion.float_nodes == () and fusion.in_int8 == fusion.convolutions == 1 and fusion.conversions <= 2
