"""How normalisation by an image's own statistics is written as ONNX nodes: layer, instance and group normalisation."""

from __future__ import annotations

import numpy as np
from torch import nn

from nastk.deploy.onnx.emitting import Call, UnsupportedError, Value, array, emits
from nastk.ops.norm import ChannelNorm


@emits(ChannelNorm)
def _channel_norm(call: Call, x: Value) -> Value:
    normalised = _layer_norm(call, call.node("Transpose", x, perm=[0, 2, 3, 1]))
    return call.node("Transpose", normalised, perm=[0, 3, 1, 2])


@emits(nn.LayerNorm)
def _layer_norm(call: Call, x: Value) -> Value:
    norm = call.module
    shape = tuple(norm.normalized_shape)
    constants = [call.floats(np.ones(shape) if norm.weight is None else array(norm.weight), "weight")]
    if norm.bias is not None:
        constants.append(call.floats(array(norm.bias), "bias"))
    return call.node("LayerNormalization", x, *constants, axis=-len(shape), epsilon=norm.eps)


@emits(nn.InstanceNorm2d)
def _instance_norm(call: Call, x: Value) -> Value:
    norm = call.module
    if norm.track_running_stats:
        raise UnsupportedError("instance normalisation with running statistics")
    if norm.weight is None:
        ones, zeros = np.ones(norm.num_features), np.zeros(norm.num_features)
    else:
        ones, zeros = array(norm.weight), array(norm.bias)
    constants = call.floats(ones, "weight"), call.floats(zeros, "bias")
    return call.node("InstanceNormalization", x, *constants, epsilon=norm.eps)


@emits(nn.GroupNorm)
def _group_norm(call: Call, x: Value) -> Value:
    norm = call.module
    if x.rank != 4:
        raise UnsupportedError(f"group normalisation of {x.rank} dimensions")
    # A group as a channel of instance normalisation; scale and shift, of each channel, are a depthwise convolution.
    groups = call.node("Reshape", x, call.integers([0, norm.num_groups, -1], "groups"), rank=3)
    constants = call.floats(np.ones(norm.num_groups), "ones"), call.floats(np.zeros(norm.num_groups), "zeros")
    plain = call.node("InstanceNormalization", groups, *constants, epsilon=norm.eps)
    plain = call.node("Reshape", plain, call.integers([0, *call.shape[1:]], "channels"), rank=4)
    if norm.weight is None:
        return plain
    scale = call.floats(array(norm.weight)[:, None, None, None], "weight"), call.floats(array(norm.bias), "bias")
    return call.node("Conv", plain, *scale, kernel_shape=[1, 1], group=norm.num_channels)
