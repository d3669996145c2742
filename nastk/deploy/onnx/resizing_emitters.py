"""How maps are made larger: up-sampling, transposed convolution and pixel shuffle, written as ONNX nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import nn

from nastk.deploy.onnx.emitting import Call, UnsupportedError, Value, array, emits, pair, window


@emits(nn.Upsample)
def _upsample(call: Call, x: Value) -> Value:
    layer = call.module
    return _interpolate(call, x, layer.size, layer.scale_factor, layer.mode, layer.align_corners)


@emits(F.interpolate)
def _interpolate(
    call: Call,
    input: Value,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Value:
    if input.rank != 4 or mode not in ("nearest", "bilinear") or antialias:
        raise UnsupportedError(f"interpolation {mode!r} of {input.rank} dimensions, antialias={antialias}")
    how: dict[str, Any] = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    if mode == "bilinear":
        corners = "align_corners" if align_corners else "half_pixel"
        how = {"mode": "linear", "coordinate_transformation_mode": corners}
    if size is not None:
        # Height and width alone, so that the batch stays free.
        return call.node("Resize", input, "", "", call.integers(pair(size), "size"), **how, axes=[2, 3])
    factors = _whole(scale_factor)
    return call.node("Resize", input, "", call.floats(np.asarray([1, 1, *factors]), "factors"), **how)


def _whole(scale_factor: Any) -> tuple[int, int]:
    """Returns the factors; of others than whole numbers ONNX and torch may round the size differently."""
    factors = tuple(scale_factor) if isinstance(scale_factor, (tuple, list)) else (scale_factor, scale_factor)
    if len(factors) != 2 or not all(isinstance(one, (int, float)) and one == int(one) >= 1 for one in factors):
        raise UnsupportedError(f"interpolation by a factor of {scale_factor!r}")
    return int(factors[0]), int(factors[1])


@emits(nn.ConvTranspose2d)
def _transposed(call: Call, x: Value) -> Value:
    conv = call.module
    constants = [call.floats(array(conv.weight), "weight")]
    if conv.bias is not None:
        constants.append(call.floats(array(conv.bias), "bias"))
    attributes = window(conv.kernel_size, conv.stride, conv.padding)
    attributes |= {"dilations": [*pair(conv.dilation)], "output_padding": [*pair(conv.output_padding)]}
    return call.node("ConvTranspose", x, *constants, **attributes, group=conv.groups)


@emits(nn.PixelShuffle)
def _pixel_shuffle(call: Call, x: Value) -> Value:
    return call.node("DepthToSpace", x, blocksize=call.module.upscale_factor, mode="CRD")
