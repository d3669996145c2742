"""Convolutions and linear layers with rounded weights, as fine-tuning for int8 trains them."""

from __future__ import annotations

from typing import NamedTuple

import onnx
from torch import Tensor, nn
from torch.func import functional_call

from nastk.deploy.onnx.absorbed import cropped_by, grown
from nastk.deploy.onnx.torch_ops import attributes_of, padded
from nastk.deploy.precision.weight_steps import in_pairs, weight_steps
from nastk.deploy.tuning.fake_quantize import rounded
from nastk.ops.strided import trained_on_pixels


class Folded(NamedTuple):
    """What a convolution or linear layer computes with, its batch normalisation folded in.

    Attributes:
        weight: as in the ONNX graph, (out, in / groups, height, width) or (out, in).
        bias: (out,), None where the layer has none.
    """

    weight: Tensor
    bias: Tensor | None


class Weighted(nn.Module):
    """A convolution or linear layer whose weight and bias are rounded where its file's are.

    Batch normalisation stays folded in while training, as Nagel et al., "A White Paper on Neural Network Quantization",
    arXiv 2106.08295, section 4.2, find sufficient: the statistics do not move, so training and inference are one.
    Zeros that a kernel begins with stand for a crop; they stay what they are, and training crops instead.

    Args:
        node: Conv, or Gemm with a transposed weight.
        weight, bias: as in `Folded`, of the float32 graph.
        rounded: which of the two are: weights to int8, biases to int32 in steps of input times weight.
        pairs: of the scheme.
    """

    def __init__(
        self,
        node: onnx.NodeProto,
        weight: Tensor,
        bias: Tensor | None,
        rounded: tuple[bool, bool] = (True, True),
        pairs: bool = False,
    ) -> None:
        super().__init__()
        how = attributes_of(node)
        self.rounded = rounded
        self.pairs = pairs and in_pairs(weight.shape, how.get("group", 1))
        self.pads = how.get("pads", [0, 0, 0, 0])
        self.cropped = (0, 0)
        self.layer: nn.Conv2d | nn.Linear
        if node.op_type == "Conv":
            strides, dilations = how.get("strides", [1, 1]), how.get("dilations", [1, 1])
            self.cropped = cropped_by(weight, strides, self.pads, dilations)
            weight = weight[:, :, self.cropped[0] :, self.cropped[1] :]
            padding = self.pads[:2] if self.pads[:2] == self.pads[2:] else [0, 0]
            self.pads = [0, 0, 0, 0] if any(padding) else self.pads
            groups, kernel = how.get("group", 1), tuple(weight.shape[2:])
            ends = weight.shape[1] * groups, len(weight)
            stride, padding, dilation = ((step[0], step[1]) for step in (strides, padding, dilations))
            conv = nn.Conv2d(*ends, (kernel[0], kernel[1]), stride, padding, dilation, groups, bias=False)
            self.layer = trained_on_pixels(conv)
        else:
            self.layer = nn.Linear(weight.shape[1], len(weight), bias=False)
        self.layer.weight = nn.Parameter(weight.clone())
        self.bias = None if bias is None else nn.Parameter(bias.clone())

    def forward(self, x: Tensor, step: Tensor | None) -> Tensor:
        """Returns the layer's result; `step` is that of `x`, None where it is not rounded."""
        steps = weight_steps(self.layer.weight, self.pairs)
        weight = rounded(self.layer.weight, steps) if self.rounded[0] else self.layer.weight
        # Not by the function of it: training puts quicker forms in for some convolutions.
        result: Tensor = functional_call(self.layer, {"weight": weight}, (padded(self._seen(x), self.pads),))
        if self.bias is None:
            return result
        bias: Tensor = self.bias
        if self.rounded[1] and step is not None:
            bias = rounded(bias, steps.flatten() * step.detach())
        return result + (bias if result.ndim == 2 else bias.view(-1, 1, 1))

    def folded(self) -> Folded:
        """Returns the weights as they are now, in float32."""
        weight = grown(self.layer.weight.detach(), self.cropped)
        return Folded(weight, None if self.bias is None else self.bias.detach())

    def _seen(self, x: Tensor) -> Tensor:
        return x[:, :, self.cropped[0] :, self.cropped[1] :] if any(self.cropped) else x
