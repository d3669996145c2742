"""A cell of a genotype as a module: its edges, and the order in which to run them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nastk.genotype import Cell, Node
from nastk.genotype.ops import IDENTITY_OPS, ZERO_OPS
from nastk.ops import build_op
from nastk.ops.drop_path import DropPath
from nastk.ops.identity import FactorizedReduction


class Step(NamedTuple):
    """An edge to run: its index among the cell's edges, the state it reads, whether drop path applies."""

    edge: int
    state: int
    droppable: bool


# For each node to run: its state's number, whether it concatenates, and its steps.
Plan = tuple[tuple[int, bool, tuple[Step, ...]], ...]


class CellModule(nn.Module):
    """Computes a cell's output from the outputs of the two stages before it.

    An operation maps whatever channels its state has to `filters`; a node that concatenates has a multiple of them.
    Sums leave out zero edges and edges that read a state known to be zero, as `nastk.genotype.key` does; nodes that the
    output does not depend on have weights, as in the published networks, but are not run. Edges that begin with a ReLU
    share it where they read the same state.

    Args:
        cell: of the genotype.
        inputs: a module for each of the cell's inputs, the older first, that makes the state of it.
        channels: of those states.
        filters: of each edge's result.
        stride: 2 in a reduction cell: of the edges that read the cell's inputs.
        drop_path: probability of dropping an edge at the end of training.

    Shapes: previous and latest (N, C, H, W) to (N, channels_out, ceil(H / stride), ceil(W / stride)); a cell of one
    input reads only the latest.

    Attributes:
        shares_relu: whether edges that begin with a ReLU and read one state compute it once; false lets every one of
            these modules be called, for who counts what they give.
    """

    shares_relu = True

    def __init__(
        self,
        cell: Cell,
        inputs: Sequence[nn.Module],
        channels: Sequence[int],
        filters: int,
        stride: int = 1,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.inputs = nn.ModuleList(inputs)
        self.edges = nn.ModuleList()
        self.outputs = nn.ModuleDict()
        self.drop = DropPath(drop_path)
        self._output = cell.output
        self._filters = filters
        self.stride = stride
        self._channels = list(channels)
        self._zero = [False] * cell.inputs
        plan = tuple(self._add(node) for node in cell.nodes)
        self._reduce_outputs()
        self._plan = _live(plan, cell.output)
        self.channels_out = sum(self._channels[state] for state in cell.output)

    def _add(self, node: Node) -> tuple[int, bool, tuple[Step, ...]]:
        """Builds a node's edges and plans which to run: all of them, or the ones that count in a sum."""
        steps = []
        concat = node.combine == "concat"
        for edge in node.edges:
            is_zero = edge.op == "zero" or self._zero[edge.state]
            name = "zero" if concat and is_zero else edge.op
            stride = self.stride if edge.state < len(self.inputs) else 1
            droppable = self.drop.at_end > 0 and name not in IDENTITY_OPS | ZERO_OPS
            if concat or not is_zero:
                steps.append(Step(len(self.edges), edge.state, droppable))
            self.edges.append(build_op(name, self._channels[edge.state], self._filters, stride))
        if not steps:
            steps = [Step(len(self.edges), 0, False)]
            self.edges.append(build_op("zero", self._channels[0], self._filters, self.stride))
        self._zero.append(all(edge.op == "zero" or self._zero[edge.state] for edge in node.edges))
        self._channels.append(self._filters * (len(node.edges) if concat else 1))
        return len(self._channels) - 1, concat, tuple(steps)

    def _reduce_outputs(self) -> None:
        """In a reduction cell, brings cell inputs that go into the output to its resolution, as the reference does."""
        for state in self._output:
            if state < len(self.inputs) and self.stride == 2:
                self.outputs[str(state)] = FactorizedReduction(self._channels[state], self._filters)
                self._channels[state] = self._filters

    def forward(self, previous: Tensor, latest: Tensor) -> Tensor:
        arguments = (previous, latest)[-len(self.inputs) :]
        states: dict[int, Tensor] = {state: make(arguments[state]) for state, make in enumerate(self.inputs)}
        rectified: dict[int, Tensor] = {}
        for node, concat, steps in self._plan:
            parts = []
            for edge, state, droppable in steps:
                result = _apply(self.edges[edge], state, states, rectified if self.shares_relu else {})
                parts.append(self.drop(result) if droppable else result)
            states[node] = torch.cat(parts, 1) if concat else sum(parts[1:], parts[0])
        for name, reduce in self.outputs.items():
            states[int(name)] = reduce(states[int(name)])
        results = [states[state] for state in self._output]
        if len(results) == 1:
            return results[0]
        if self.training:
            for result in results:
                if result.requires_grad:
                    result.register_hook(_dense)  # type: ignore[no-untyped-call]
        return torch.cat(results, 1)


def _apply(edge: nn.Module, state: int, states: dict[int, Tensor], rectified: dict[int, Tensor]) -> Tensor:
    """Returns an edge's result; `rectified` keeps the ReLU of each state for the other edges that begin with it."""
    result = states[state]
    if not isinstance(edge, nn.Sequential) or not isinstance(edge[0], nn.ReLU):
        whole: Tensor = edge(result)
        return whole
    for index, layer in enumerate(edge):
        if index:
            result = layer(result)
        else:
            result = rectified[state] = rectified[state] if state in rectified else layer(result)
    return result


def _dense(gradient: Tensor) -> Tensor:
    """Copies the gradient of a part of a concatenation together.

    It comes as a slice of the whole's, on which batch normalisation's and ReLU's backward take 4 to 10 times as long.
    """
    return gradient.contiguous(memory_format=torch.channels_last)


def _live(nodes: Plan, output: Sequence[int]) -> Plan:
    """Returns the nodes that the output depends on."""
    live = set(output)
    kept = []
    for node in reversed(nodes):
        if node[0] in live:
            live |= {step.state for step in node[2]}
            kept.append(node)
    return tuple(reversed(kept))
