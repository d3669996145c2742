"""An int8 graph as a torch module that can be trained: it computes what the file computes, its weights in float32."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.func import functional_call

from nastk.deploy.onnx.absorbed import cropped_by, grown
from nastk.deploy.onnx.graph import INPUT, OUTPUT
from nastk.deploy.onnx.torch_ops import TORCH_OPS, attributes_of, padded
from nastk.deploy.precision.calibrate import Ranges
from nastk.deploy.precision.int8_forms import Forms, int8_forms
from nastk.deploy.precision.kept_float import idle_nodes
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.precision.scheme import X86, Scheme
from nastk.deploy.precision.shared_scales import following
from nastk.deploy.tuning.fake_quantize import FakeQuantize, rounded, weight_steps
from nastk.errors import UserError
from nastk.ops.strided import trained_on_pixels

WEIGHTED = ("Conv", "Gemm")


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
    """

    def __init__(
        self, node: onnx.NodeProto, weight: Tensor, bias: Tensor | None, rounded: tuple[bool, bool] = (True, True)
    ) -> None:
        super().__init__()
        how = attributes_of(node)
        self.rounded = rounded
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
        steps = weight_steps(self.layer.weight)
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


class Step(NamedTuple):
    """A node to run: by the module `name`, or as the operator `op`."""

    op: str
    name: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]


class TrainableInt8(nn.Module):
    """The function of an int8 graph, with gradients.

    Args:
        model: in float32; gives the weights.
        ranges: of its tensors, from which the steps begin.
        scheme: of the int8.
        keep_float: names of layers that compute in float32; what `quantized_model` makes of the four is computed.

    Shapes: normalised images (N, C, H, W) to logits (N, classes), in training as in eval mode.

    Raises:
        UserError: an operator that cannot be trained.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        ranges: Ranges,
        scheme: Scheme = X86,
        keep_float: Collection[str] = frozenset(),
    ) -> None:
        super().__init__()
        int8 = quantized_model(model, ranges, scheme, keep_float)
        forms = int8_forms(model, ranges, idle_nodes(model, keep_float)) if scheme.between else Forms(model, ranges)
        self.layers, self.quantizers = nn.ModuleDict(), nn.ModuleList()
        self._learned = ranges.keys() - forms.units.keys()
        self._quantizer_of: dict[str, int] = {}
        self._written_in = {name: written for name, (written, _) in forms.units.items()}
        self._follows = following(forms.model, forms.gates) if scheme.between else {}
        self._steps, self._constants = list[Step](), list[str]()
        self._read_nodes(model, int8)

    def _read_nodes(self, model: onnx.ModelProto, int8: onnx.ModelProto) -> None:
        """Makes a step of each node of the int8 graph; weights are those of the float32 one."""
        floats = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in int8.graph.initializer}
        originals = {node.name: node for node in model.graph.node}
        aliases, written = dict[str, str](), dict[str, NDArray[Any]]()
        for node in int8.graph.node:
            names = [aliases.get(name, name) for name in node.input]
            if node.op_type == "QuantizeLinear":
                self._add_quantizer(names[0], constants[names[1]], constants[names[2]])
                self._steps.append(Step("quantize", names[0], (names[0],), node.output[0], {}))
                written[node.output[0]] = constants[names[1]]
            elif node.op_type == "DequantizeLinear":
                if names[0] in constants:
                    constants[node.output[0]] = _dequantized(*(constants[name] for name in names))
                elif (ratio := _ratio(constants[names[1]], written[names[0]])) != 1:
                    self._steps.append(Step("scale", names[0], (names[0],), node.output[0], {"ratio": ratio}))
                else:
                    aliases[node.output[0]] = names[0]
            elif node.op_type in WEIGHTED:
                weight, *bias = (torch.from_numpy(floats[name].copy()) for name in originals[node.name].input[1:])
                in_int8 = names[1] not in floats, names[-1] not in floats
                self.layers[node.name] = Weighted(originals[node.name], weight, bias[0] if bias else None, in_int8)
                self._steps.append(Step("layer", node.name, (names[0],), node.output[0], {}))
            elif node.op_type in TORCH_OPS:
                self._keep(constants, names)
                self._steps.append(Step(node.op_type, "", tuple(names), node.output[0], attributes_of(node)))
            else:
                raise UserError(f"fine-tuning for int8: node {node.name!r} is a {node.op_type}, which has no gradient")

    def forward(self, image: Tensor) -> Tensor:
        values = {INPUT: image} | {name: getattr(self, f"constant{at}") for at, name in enumerate(self._constants)}
        step_of: dict[str, Tensor] = {}
        for step in self._steps:
            inputs = [values[name] for name in step.inputs if name]
            if step.op == "quantize":
                quantizer = self._quantizer(step.name)
                values[step.output] = quantizer(inputs[0])
                step_of[step.output] = quantizer.step
            elif step.op == "scale":
                # Bytes that are read in another scale than they were written in: a division that costs nothing.
                values[step.output] = inputs[0] * step.attributes["ratio"]
                step_of[step.output] = step_of[step.name] * step.attributes["ratio"]
            elif step.op == "layer":
                values[step.output] = self.layers[step.name](inputs[0], step_of.get(step.inputs[0]))
            else:
                values[step.output] = TORCH_OPS[step.op](inputs, step.attributes)
        logits: Tensor = values[OUTPUT]
        return logits

    def folded(self) -> dict[str, Folded]:
        """Returns the weights, by the name of the graph's node."""
        return {name: layer.folded() for name, layer in self.layers.items() if isinstance(layer, Weighted)}

    def ranges(self) -> Ranges:
        """Returns the learned range of each tensor that is quantized, from which emission makes the same steps."""
        found = {}
        for name in self._quantizer_of:
            if self._follows.get(name, name) not in self._learned:
                continue
            quantizer = self._quantizer(name)
            step = float(quantizer.step.detach())
            low, high = (bound * step for bound in quantizer.bounds)
            # A symmetric type's -128 is of no range: emission divides the greater bound by 127.
            found[self._follows.get(name, name)] = (max(low, -high), high) if quantizer.zero == 0 else (low, high)
        return found

    def _quantizer(self, name: str) -> FakeQuantize:
        quantizer = self.quantizers[self._quantizer_of[name]]
        assert isinstance(quantizer, FakeQuantize)
        return quantizer

    def _add_quantizer(self, name: str, step: NDArray[Any], zero: NDArray[Any]) -> None:
        """Enters a tensor; those that share a step when calibrated share it from now on."""
        bounds = np.iinfo(zero.dtype)
        key = self._follows.get(name, name)
        unit = self._written_in.get(name, 1)
        for other, index in self._quantizer_of.items():
            if self._follows.get(other, other) == key and self._written_in.get(other, 1) == unit:
                self._quantizer_of[name] = index
                return
        self._quantizer_of[name] = len(self.quantizers)
        quantizer = FakeQuantize(float(step), int(zero), int(bounds.min), int(bounds.max))
        # A range that no calibration found is part of what an activation computes, such as the 0 to 6 of hard swish.
        quantizer.requires_grad_(key in self._learned)
        self.quantizers.append(quantizer)

    def _keep(self, constants: Mapping[str, NDArray[Any]], names: list[str]) -> None:
        for name in names:
            if name in constants and name not in self._constants:
                value = torch.from_numpy(constants[name].copy())
                self.register_buffer(f"constant{len(self._constants)}", value, persistent=False)
                self._constants.append(name)


def _ratio(read: NDArray[Any], written: NDArray[Any]) -> float:
    """Returns by how much a scale is greater where bytes are read; scales of a channel are all equal there."""
    return float(read.flat[0]) / float(written)


def _dequantized(units: NDArray[Any], scale: NDArray[Any], zero: NDArray[Any]) -> NDArray[np.float32]:
    shape = (-1, *[1] * (units.ndim - 1)) if scale.ndim else ()
    real = (units.astype(np.float64) - zero.astype(np.float64).reshape(shape)) * scale.astype(np.float64).reshape(shape)
    return np.asarray(real, dtype=np.float32)
