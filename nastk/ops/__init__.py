"""The table of operations, one file a family; whoever adds one decorates its builder and imports the file here.

All are made of Conv2d, BatchNorm2d, ReLU, AvgPool2d, MaxPool2d, AdaptiveAvgPool2d(1), ZeroPad2d, Sigmoid and Identity,
of slices, sums, products and concatenations, so that they trace with `torch.fx`, export to ONNX and quantize.
"""

import nastk.ops.attention
import nastk.ops.conv
import nastk.ops.identity
import nastk.ops.pooling
import nastk.ops.separable  # noqa: F401
from nastk.ops.op import OPS, Op, build_op, op

__all__ = ["OPS", "Op", "build_op", "op"]
