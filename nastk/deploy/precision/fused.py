"""Counts what ONNX Runtime makes of a file's operators: which run, which were fused into others, which were not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.precision.optimised import optimised

CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")
LAYOUTS = ("ReorderInput", "ReorderOutput", "Transpose")
# What works on each number by itself and so could be computed with the operator whose result it takes.
ALONE = frozenset(
    [
        *("Add", "BatchNormalization", "Clip", "Div", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Max"),
        *("Min", "Mul", "PRelu", "Pad", "QuickGelu", "Relu", "Sigmoid", "Softplus", "Sub", "Tanh"),
    ]
)
FORMS = ("QLinear", "Nhwc", "Fused")  # by which ONNX Runtime calls its own forms of an operator


@dataclass(frozen=True)
class Fused:
    """A file's operators before and after ONNX Runtime's optimisation on this machine, by ONNX's names.

    Attributes:
        written: how many of each operator the file has, conversions between float and int8 left out.
        run: how many of each are run, conversions and changes of layout left out.
        fused: how many of each are computed with another operator, or left out as they change nothing.
        not_fused: of those run, what works on each number by itself and so could have been fused.
        conversions: of a whole tensor from float to int8 or back that are left.
        layouts: changes of a tensor's layout.
    """

    written: Mapping[str, int]
    run: Mapping[str, int]
    fused: Mapping[str, int]
    not_fused: Mapping[str, int]
    conversions: int
    layouts: int

    def as_json(self) -> dict[str, Any]:
        """Returns what the manifest says of it."""
        return asdict(self)


def fused_operators(path: Path, signed: bool = False) -> Fused:
    """Counts the operators of a file, and those that are left when ONNX Runtime has optimised it.

    Args:
        path: of the file.
        signed: look at what ONNX Runtime makes of int8 activations on ARM, not here.

    Raises:
        UserError: as `validate_model`.
    """
    data = validate_model(path).data
    written, run = _counted(onnx.ModelProto.FromString(data)), _counted(optimised(data, signed))
    conversions = sum(run.pop(name, 0) for name in CONVERSIONS)
    layouts = sum(run.pop(name, 0) for name in LAYOUTS)
    for name in CONVERSIONS:
        written.pop(name, None)
    fused = {name: count - run[name] for name, count in written.items() if count > run[name]}
    alone = {name: count for name, count in run.items() if name in ALONE}
    return Fused(_sorted(written), _sorted(run), _sorted(fused), _sorted(alone), conversions, layouts)


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _counted(model: onnx.ModelProto) -> Counter[str]:
    return Counter(_plain(node.op_type) for node in model.graph.node)


def _plain(name: str) -> str:
    """Returns ONNX's name of an operator of which ONNX Runtime has a form of its own."""
    for form in FORMS:
        name = name.removeprefix(form)
    return "Gemm" if name == "QGemm" else name
