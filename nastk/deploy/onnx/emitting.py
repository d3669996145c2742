"""What an emitter is: how one call of a traced network becomes ONNX nodes; the table they are entered in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nastk.deploy.onnx.graph import GraphBuilder


class UnsupportedError(Exception):
    """The table cannot say this exactly; the caller takes the general exporter instead."""


@dataclass(frozen=True)
class Value:
    """A tensor of the ONNX graph: its name and its number of dimensions."""

    name: str
    rank: int


@dataclass(frozen=True)
class Call:
    """One call of the traced network.

    Attributes:
        graph: what is being written.
        name: for the nodes that come of it.
        module: the module that is called, None for functions and methods.
        shape: of what it reads, N, C, H, W; empty but for `SHAPED`.
    """

    graph: GraphBuilder
    name: str
    module: Any = None
    shape: tuple[int, ...] = ()

    def node(self, op: str, *inputs: Value | str, rank: int | None = None, **attributes: Any) -> Value:
        """Adds a node; its result has the rank of the first input where `rank` is not given."""
        first = inputs[0]
        if rank is None:
            if not isinstance(first, Value):
                raise UnsupportedError(f"{self.name}: {op} of {first!r}, expected a tensor of the graph")
            rank = first.rank
        names = [value.name if isinstance(value, Value) else value for value in inputs]
        return Value(self.graph.add(op, names, self.name, **attributes), rank)

    def floats(self, value: NDArray[Any] | float, name: str) -> str:
        """Enters a float32 constant."""
        return self.graph.constant(np.asarray(value, dtype=np.float32), f"{self.name}.{name}")

    def integers(self, values: Sequence[int], name: str) -> str:
        """Enters an int64 constant."""
        return self.graph.constant(np.asarray(values, dtype=np.int64), f"{self.name}.{name}")


# Of what torch gives as several tensors, a tuple.
Emitter = Callable[..., Value | tuple[Value, ...]]
Decorated = TypeVar("Decorated", bound=Emitter)
# What must be told the sizes of what it reads; the network is run once where it holds one of them.
SHAPED: frozenset[object] = frozenset((nn.GroupNorm, torch.chunk, "chunk"))
EMITTERS: dict[object, tuple[Emitter, inspect.Signature]] = {}


def emits(*targets: object) -> Callable[[Decorated], Decorated]:
    """Enters an emitter for module types, functions and names of methods.

    It is called with a `Call` and the arguments of the traced call, so its parameters are named, and default, as
    torch's are. What it cannot say exactly it must refuse with `UnsupportedError`.
    """

    def enter(emitter: Decorated) -> Decorated:
        for target in targets:
            EMITTERS[target] = emitter, inspect.signature(emitter)
        return emitter

    return enter


def emit(target: object, call: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Value | tuple[Value, ...]:
    """Writes one call.

    Raises:
        UnsupportedError: no emitter knows the target, or not with these arguments.
    """
    if target not in EMITTERS:
        raise UnsupportedError(f"{call.name}: no emitter for {getattr(target, '__name__', target)}")
    emitter, signature = EMITTERS[target]
    try:
        bound = signature.bind(call, *args, **kwargs)
    except TypeError as error:
        raise UnsupportedError(f"{call.name}: {error}") from None
    return emitter(*bound.args, **bound.kwargs)


def array(tensor: torch.Tensor) -> NDArray[np.float64]:
    """Returns a parameter or buffer in double precision: folded products are rounded once, when written."""
    return np.asarray(tensor.detach().cpu().double().numpy())


def pair(size: Any) -> tuple[int, int]:
    """Returns (height, width) of a size that torch takes as one number or two."""
    sizes = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sizes) != 2 or not all(isinstance(item, int) for item in sizes):
        raise UnsupportedError(f"size {size!r}, expected one or two whole numbers")
    return sizes[0], sizes[1]


def window(kernel: Any, stride: Any, padding: Any, ceil_mode: bool = False) -> dict[str, Any]:
    """Returns the attributes of a window that slides over maps; refuses what ONNX would compute otherwise."""
    steps = pair(kernel if stride in (None, [], ()) else stride)
    attributes = {"kernel_shape": [*pair(kernel)], "strides": [*steps], "pads": [*pair(padding), *pair(padding)]}
    if not ceil_mode:
        return attributes
    if any(attributes["pads"]) or any(step > width for step, width in zip(steps, pair(kernel), strict=True)):
        raise UnsupportedError("ceil_mode: ONNX and torch differ on windows that begin in the padding")
    return {**attributes, "ceil_mode": 1}
