"""How much memory the activations of a LiteRT graph take at once, and the order of operators in which it is least.

That operators' order decides it: Liberis and Lane, "Neural networks on microcontrollers: saving memory at inference via
operator reordering", 2019 (https://arxiv.org/abs/1910.05110), whose dynamic programme over sets of operators that have
run is here a search that goes on from the set with the least peak so far, and so meets the best order first. Where
tensors lie: the greatest first, each at the lowest place that is free while it lives (Pisarchyk and Lee, "Efficient
memory management for deep neural net inference", 2020, https://arxiv.org/abs/2001.03288), as TensorFlow Lite for
Microcontrollers does it.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nastk.deploy.tflite.graph import Graph, Operator, Tensor
from nastk.deploy.tflite.scratch import scratch

ALIGNMENT = 16  # bytes, of TensorFlow Lite for Microcontrollers
MOST_SETS = 5_000  # that are looked at, after which the file's order stands
# Each value of the result is of the values at its own place alone, so that it may overwrite one of them.
IN_PLACE = ("ADD", "SUB", "MUL", "RELU", "RELU6", "LOGISTIC", "HARD_SWISH", "GELU", "RESHAPE", "QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True)
class Memory:
    """What activations take.

    Attributes:
        graph: its operators in the best order that was found.
        peak: bytes that live at once in this order.
        proven: whether no order has a lower peak than the best that was found.
        arena: bytes that they take where each has a place for as long as it lives; at least `peak`.
        in_place: bytes that live at once where results overwrite what they are made of, as far as that can be.
    """

    graph: Graph
    peak: int
    proven: bool
    arena: int
    in_place: int


def planned(graph: Graph) -> Memory:
    """Returns a graph in the order that needs the least memory, and how much that is."""
    order, proven = _Wiring(graph).best_order()
    best = replace(graph, operators=[graph.operators[place] for place in order])
    return measured(min(best, graph, key=arena_bytes), proven)


def measured(graph: Graph, proven: bool = False) -> Memory:
    """Returns how much memory a graph needs in the order that it has."""
    wiring, order = _Wiring(graph), range(len(graph.operators))
    return Memory(graph, wiring.peak(order), proven, arena_bytes(graph), wiring.peak(order, in_place=True))


def arena_bytes(graph: Graph) -> int:
    """Returns the bytes of a plan that gives each activation one place for as long as it lives, the greatest first."""
    lives = _lives(graph)
    placed: list[tuple[int, int, Tensor]] = []
    last_made_first = list(lives)[::-1]  # of equal ones, as there
    for tensor in sorted(last_made_first, key=_bytes, reverse=True):
        born, dies = lives[tensor]
        others = sorted((begin, end) for begin, end, one in placed if lives[one][0] <= dies and born <= lives[one][1])
        at = 0
        for begin, end in others:
            if begin - at >= _bytes(tensor):
                break
            at = max(at, end)
        placed.append((at, at + _bytes(tensor), tensor))
    return max(end for _, end, _ in placed)


def _bytes(tensor: Tensor) -> int:
    return -(-tensor.size // ALIGNMENT) * ALIGNMENT


def _lives(graph: Graph) -> dict[Tensor, tuple[int, int]]:
    """Returns at which operators each activation is made and last read, and after these what operators work in."""
    lives = {graph.input: (0, 0)}
    for place, op in enumerate(graph.operators):
        for tensor in (*op.inputs, op.output):
            if tensor.data is None:
                lives[tensor] = lives.get(tensor, (place, place))[0], place
    lives[graph.output] = lives[graph.output][0], len(graph.operators) - 1
    return lives | {one: (place, place) for place, op in enumerate(graph.operators) for one in scratch(op)}


class _Wiring:
    """Who reads what, as bits, so that sets of operators are numbers."""

    def __init__(self, graph: Graph) -> None:
        self.operators: Sequence[Operator] = graph.operators
        self.graph = graph
        self.inputs = [
            list(dict.fromkeys(tensor for tensor in op.inputs if tensor.data is None)) for op in graph.operators
        ]
        self.scratch = [sum(map(_bytes, scratch(op))) for op in graph.operators]
        self.makers: Mapping[Tensor, int] = {op.output: place for place, op in enumerate(graph.operators)}
        self.readers: dict[Tensor, int] = {}
        self.needs = [0] * len(graph.operators)
        for place, inputs in enumerate(self.inputs):
            for tensor in inputs:
                self.readers[tensor] = self.readers.get(tensor, 0) | 1 << place
                if tensor in self.makers:
                    self.needs[place] |= 1 << self.makers[tensor]
        self.everything = (1 << len(graph.operators)) - 1

    def step(self, done: int, live: int, place: int, in_place: bool = False) -> tuple[int, int]:
        """Returns the bytes that live while an operator runs after others, and those that live after it."""
        op, after = self.operators[place], done | 1 << place
        dead = [one for one in self.inputs[place] if self._is_dead(one, after)]
        during = live + _bytes(op.output) + self.scratch[place]
        if in_place and op.kind in IN_PLACE and any(one.size == op.output.size for one in dead):
            during = live + self.scratch[place]
        return during, live + _bytes(op.output) - sum(map(_bytes, dead))

    def _is_dead(self, tensor: Tensor, done: int) -> bool:
        return tensor is not self.graph.output and not self.readers[tensor] & ~done

    def peak(self, order: Sequence[int], in_place: bool = False) -> int:
        """Returns the most bytes that live at once in an order."""
        done, live = 0, _bytes(self.graph.input)
        peak = live
        for place in order:
            during, live = self.step(done, live, place, in_place)
            peak, done = max(peak, during), done | 1 << place
        return peak

    def best_order(self) -> tuple[list[int], bool]:
        """Returns an order with the least peak and True, or, where the search is given up, the best known and False."""
        known = min((list(range(len(self.operators))), self._greedy()), key=self.peak)
        limit, least = self.peak(known), self._least()
        if limit <= least:
            return known, True
        start = _bytes(self.graph.input)
        queue: list[tuple[int, int, int, int]] = [(max(start, least), 0, 0, start)]  # peak, -operators, set, live
        came: dict[int, tuple[int, int]] = {}  # by set: the operator that led to it, and the set before
        peaks: dict[int, int] = {}
        settled: set[int] = set()
        while queue:
            peak, _, done, live = heapq.heappop(queue)
            if done in settled:
                continue
            settled.add(done)
            if done == self.everything:
                return self._way(came), True
            if len(settled) > MOST_SETS:
                return known, False
            for place in self._ready(done):
                after = done | 1 << place
                during, remains = self.step(done, live, place)
                worst = max(peak, during)
                if worst < peaks.get(after, limit):  # what is no better than the known order leads nowhere
                    came[after], peaks[after] = (place, done), worst
                    heapq.heappush(queue, (worst, -after.bit_count(), after, remains))
        return known, True

    def _greedy(self) -> list[int]:
        """Returns the order that always runs what leaves the least alive."""
        done, live, order = 0, _bytes(self.graph.input), list[int]()
        while done != self.everything:
            steps = {place: self.step(done, live, place) for place in self._ready(done)}
            place = min(steps, key=lambda one: (steps[one][1], steps[one][0], one))
            order.append(place)
            done, live = done | 1 << place, steps[place][1]
        return order

    def _least(self) -> int:
        """Returns what no order can be below: the operator that reads and makes most."""
        return max(
            sum(map(_bytes, inputs)) + _bytes(op.output) + scratch
            for inputs, op, scratch in zip(self.inputs, self.operators, self.scratch, strict=True)
        )

    def _ready(self, done: int) -> list[int]:
        return [place for place, needs in enumerate(self.needs) if not done >> place & 1 and not needs & ~done]

    def _way(self, came: Mapping[int, tuple[int, int]]) -> list[int]:
        order, done = [], self.everything
        while done:
            place, done = came[done]
            order.append(place)
        return order[::-1]
