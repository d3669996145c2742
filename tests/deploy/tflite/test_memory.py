"""The order of operators that needs the least memory, and what it claims, held to what the interpreter takes."""

from __future__ import annotations

import itertools
import os
import random
import tempfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nastk.deploy.emittable import untrained
from nastk.deploy.tflite.graph import Graph, Operator, Tensor, serialise
from nastk.deploy.tflite.memory import ALIGNMENT, arena_bytes, measured, planned
from nastk.deploy.tflite.reading import read_graph
from nastk.deploy.tflite.write import tflite_graph
from nastk.networks import NetworkConfig
from tests.deploy.networks import network, small

# What TensorFlow Lite for Microcontrollers needs for itself on a 64-bit machine: measured were 208 and 8.
AN_OPERATOR, A_CHANNEL = 300, 10


def tensor(name: str, blocks: int) -> Tensor:
    return Tensor(name, (blocks * ALIGNMENT,), "int8")


def graph(*steps: tuple[str, str, int], kind: str = "CONV_2D") -> Graph:
    """Makes a graph of (what is read, what is made, its size); the first reads "image", of one block."""
    known = {"image": tensor("image", 1)}
    made = []
    for read, name, blocks in steps:
        known[name] = tensor(name, blocks)
        made.append(Operator(kind, tuple(known[one] for one in read.split("+")), known[name]))
    return Graph(made, known["image"], made[-1].output)


def brute_force(one: Graph) -> int:
    """Returns the least peak over all orders that can be."""
    peaks = []
    for order in itertools.permutations(one.operators):
        known = {one.input}
        for op in order:
            if not set(op.inputs) <= known:
                break
            known.add(op.output)
        else:
            peaks.append(measured(Graph(order, one.input, one.output)).peak)
    return min(peaks)


def test_a_branch_that_ends_small_runs_before_the_other_begins() -> None:
    """The example of Liberis and Lane: two wide branches, each of which is narrowed before they meet."""
    wide = graph(("image", "a", 8), ("image", "b", 8), ("a", "c", 1), ("b", "d", 1), ("c+d", "logits", 1))
    found = planned(wide)
    assert measured(wide).peak == 17 * ALIGNMENT, "image, both wide ones"
    assert (found.peak, found.proven) == (10 * ALIGNMENT, True)
    assert [op.output.name for op in found.graph.operators][1] in "cd"


@pytest.mark.parametrize("seed", range(8))
def test_no_order_of_a_small_graph_needs_less(seed: int) -> None:
    rng = random.Random(seed)
    names = ["image", *"abcdef"]
    steps = [
        ("+".join(rng.sample(names[: k + 1], min(k + 1, rng.choice((1, 2))))), names[k + 1], rng.randint(1, 9))
        for k in range(6)
    ]
    one = graph(*steps, ("+".join(names[1:]), "logits", 1))
    found = planned(one)
    assert found.proven and found.peak <= brute_force(one) <= measured(one).peak
    assert found.arena >= found.peak


def test_sums_overwrite_what_dies_there_and_what_is_read_later_stays() -> None:
    chain = graph(("image", "a", 4), ("a", "b", 4), ("b", "c", 4), kind="RELU")
    assert (measured(chain).peak, measured(chain).in_place) == (8 * ALIGNMENT, 5 * ALIGNMENT)
    twice = graph(("image", "a", 4), ("a", "b", 4), ("a+b", "c", 4), kind="ADD")
    assert measured(twice).in_place == 8 * ALIGNMENT, "a is read again after b was made of it"


def test_a_graph_too_large_to_search_keeps_the_better_of_two_orders_and_says_so(monkeypatch) -> None:
    monkeypatch.setattr("nastk.deploy.tflite.memory.MOST_SETS", 3)
    steps = [("image", f"wide{k}", 9) for k in range(6)] + [(f"wide{k}", f"end{k}", 2) for k in range(6)]
    one = graph(*steps, ("+".join(f"end{k}" for k in range(6)), "logits", 1))
    found = planned(one)
    assert not found.proven
    assert found.peak < measured(one).peak


def interpreted(data: bytes, arena: int):
    """Returns TensorFlow Lite for Microcontrollers' interpreter in so many bytes; None where these are too few."""
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    try:
        return runtime.Interpreter.from_bytes(data, arena_size=arena)
    except RuntimeError:
        return None


def told(data: bytes) -> dict[str, int]:
    """Returns what the interpreter tells of its arena: "head" for activations, "tail" for all else."""
    found = interpreted(data, 1 << 22)
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)  # it prints from C
        try:
            found.print_allocations()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        lines = file.read().decode().splitlines()
    words = [line.split() for line in lines if "Arena allocation" in line]
    return {line[3]: int(line[4]) for line in words}


def overhead(one: Graph) -> int:
    """Returns the bytes that the interpreter may need beside those of activations."""
    weighted = [op for op in one.operators if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")]
    return AN_OPERATOR * len(one.operators) + A_CHANNEL * sum(len(op.inputs[2].data) for op in weighted)


def made(net, size: int) -> tuple[Graph, bytes, int]:
    source = untrained(net, NetworkConfig(size=size), "abc")
    found = planned(tflite_graph(source.model, source.ranges, byte_ends=True))
    return found.graph, serialise(found.graph, "nastk"), found.arena


@pytest.mark.parametrize("space", ["small", "nasbench201", "darts"])
def test_the_interpreter_takes_what_is_claimed_for_activations_and_no_less_will_do(space: str) -> None:
    net, size = (small(), 12) if space == "small" else (network(space, filters=4), 16)
    one, data, arena = made(net, size)
    assert arena_bytes(read_graph(data)) == arena
    taken = told(data)
    assert taken["head"] == arena
    assert taken["tail"] < overhead(one)
    found = interpreted(data, arena + overhead(one))
    assert found is not None
    found.set_input(np.zeros(one.input.shape, np.int8), 0)
    found.invoke()
    assert found.get_output(0).shape == one.output.shape
    assert interpreted(data, arena) is None, "the interpreter needs something for itself"


class Gated(nn.Module):
    """Means over maps twice: of a gate, whose maps are still read, and of a wide head."""

    def __init__(self, middle: int, wide: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, middle, 3, stride=stride, padding=1)
        self.narrow, self.gate = nn.Conv2d(middle, 4, 1), nn.Conv2d(4, middle, 1)
        self.head, self.classes = nn.Conv2d(middle, wide, 1), nn.Linear(wide, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = torch.relu(self.first(images))
        maps = maps * torch.sigmoid(self.gate(torch.relu(self.narrow(maps.mean((2, 3), keepdim=True)))))
        answer: torch.Tensor = self.classes(torch.relu(self.head(maps)).mean((2, 3)))
        return answer


@pytest.mark.parametrize(
    ("middle", "wide", "stride"), [(16, 1280, 8), (16, 1280, 4), (256, 256, 4), (35, 71, 2), (3, 5, 8)]
)
def test_what_a_mean_works_in_is_claimed_too(middle: int, wide: int, stride: int) -> None:
    _, data, arena = made(Gated(middle, wide, stride).eval(), 8)
    assert told(data)["head"] == arena == arena_bytes(read_graph(data))


def test_a_mean_lives_with_what_it_works_in() -> None:
    image, axes = tensor("image", 2), Tensor("axes", (2,), "int32", data=np.array([1, 2], np.int32))
    mean = Graph([Operator("MEAN", (image, axes), tensor("mean", 1))], image, tensor("mean", 1))
    mean = replace(mean, output=mean.operators[0].output)
    found = planned(mean)
    blocks = 2 + 1 + 1 + 1 + 4  # image, result, two that it counts with, and an int32 for each value of the result
    assert (found.peak, found.arena, found.proven) == (blocks * ALIGNMENT, blocks * ALIGNMENT, True)


def test_a_mean_of_floats_adds_up_in_its_result() -> None:
    source = untrained(Gated(16, 300, 8).eval(), NetworkConfig(size=8), "abc")
    data = serialise(tflite_graph(source.model, None), "nastk")
    assert told(data)["head"] == arena_bytes(read_graph(data))


def test_the_order_saves_memory_in_the_interpreter_too() -> None:
    source = untrained(network("darts", filters=4), NetworkConfig(size=16), "abc")
    plain = tflite_graph(source.model, source.ranges, byte_ends=True)
    best = planned(plain)
    taken = [told(serialise(one, "nastk"))["head"] for one in (plain, best.graph)]
    assert taken == [arena_bytes(plain), best.arena] and taken[1] < taken[0]
