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

from nastk.deploy.onnx.graph import INPUT, OUTPUT
from nastk.deploy.onnx.torch_ops import TORCH_OPS, attributes_of
from nastk.deploy.precision.calibrate import Ranges
from nastk.deploy.precision.int8_forms import Forms, int8_forms
from nastk.deploy.precision.kept_float import idle_nodes
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.precision.scheme import X86, Scheme
from nastk.deploy.precision.shared_scales import following
from nastk.deploy.tuning.fake_quantize import FakeQuantize
from nastk.deploy.tuning.weighted import Folded, Weighted
from nastk.errors import UserError

WEIGHTED = ("Conv", "Gemm")


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
        self._read_nodes(model, int8, scheme.pairs)

    def _read_nodes(self, model: onnx.ModelProto, int8: onnx.ModelProto, pairs: bool) -> None:
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
                original, of_bias = originals[node.name], bias[0] if bias else None
                self.layers[node.name] = Weighted(original, weight, of_bias, in_int8, pairs)
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
