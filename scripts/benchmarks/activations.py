"""Times activations behind depthwise convolutions: in float32, in int8 as they are written, and left in float there.

    python scripts/benchmarks/activations.py --channels 96 --size 28

Each network is four depthwise 3x3 convolutions, each with the activation; the least of many runs on one thread counts.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import onnx
import torch
from torch import nn

from nastk.blocks.layers import ACTIVATIONS
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.calibrate import Ranges, tensor_ranges
from nastk.deploy.precision.int8_forms import Forms
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.precision.quantizer import Quantizer
from nastk.deploy.precision.scheme import UINT8
from nastk.deploy.runtimes.session import open_session, predict

DEPTH, CLASSES, IMAGES = 4, 10, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=96)
    parser.add_argument("--size", type=int, default=28, help="pixels a side")
    parser.add_argument("--runs", type=int, default=300)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| activation | float32 us | int8 us | int8, activation in float us | error % | error in float % |")
    print("|---|---|---|---|---|---|")
    for name in ACTIVATIONS:
        print(row(name, arguments.channels, arguments.size, arguments.runs), flush=True)


def row(name: str, channels: int, size: int, runs: int) -> str:
    """Returns times and the logits' errors (root mean square over standard deviation) as a row of the table."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(DEPTH):
        layers += [nn.Conv2d(channels, channels, 3, padding=1, groups=channels), nn.BatchNorm2d(channels)]
        layers.append(ACTIVATIONS[name]())
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))
    images = torch.randn(IMAGES, channels, size, size)
    network.train()(images)
    model = quick_model(network.eval(), (1, channels, size, size))
    ranges = tensor_ranges(model, images.numpy())
    files = [model, quantized_model(model, ranges, UINT8), in_float(model, ranges)]
    sessions = [open_session(serialise(file)) for file in files]
    least = [float("inf")] * len(sessions)
    for _ in range(runs):
        for index, session in enumerate(sessions):
            start = time.perf_counter()
            predict(session, images.numpy()[:1])
            least[index] = min(least[index], time.perf_counter() - start)
    exact, *found = (predict(session, images.numpy()) for session in sessions)
    errors = [100 * float(np.sqrt(np.square(one - exact).mean()) / exact.std()) for one in found]
    return f"| {name} | {' | '.join(f'{1e6 * one:.0f}' for one in least)} | {errors[0]:.1f} | {errors[1]:.1f} |"


def in_float(model: onnx.ModelProto, ranges: Ranges) -> onnx.ModelProto:
    """Returns the int8 file with nothing rewritten, and products and sigmoids in float."""
    idle = frozenset(node.name for node in model.graph.node if node.op_type in ("Sigmoid", "Mul"))
    return Quantizer(Forms(model, ranges), UINT8, frozenset(), idle).model()


if __name__ == "__main__":
    main()
