"""What nastk claims of int8 files for microcontrollers, beside what TensorFlow Lite for Microcontrollers takes.

    python scripts/benchmarks/microcontroller.py [--networks 12] [--size 32] [--seed 5]

Random networks of each space: memory of the activations in the graph's own order and in the one that nastk writes, what
the interpreter tells of its arena (on this machine, whose pointers have 64 bits), and by how many of 256 steps its
logits differ from LiteRT's.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from machine import machine
from omegaconf import OmegaConf
from tflite_micro.python.tflite_micro import runtime

from nastk.config.build import load_yaml, shipped
from nastk.deploy.emittable import untrained
from nastk.deploy.tflite.graph import serialise
from nastk.deploy.tflite.memory import arena_bytes, planned
from nastk.deploy.tflite.write import tflite_graph
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.jobs.parts import make_space
from nastk.networks import NetworkConfig, build_network
from nastk.spaces import random_genotype

ROOM = 1 << 24
SPACES = ("nasbench201", "nasnet", "darts", "mobile", "mnasnet", "blocks", "nas_bench_macro")


class Found(NamedTuple):
    """Of one network: bytes in both orders, whether it is proven, the interpreter's, operators, steps, seconds."""

    own: int
    best: int
    proven: bool
    head: int
    tail: int
    operators: int
    steps: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=12)
    parser.add_argument("--size", type=int, default=32, help="pixels a side")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    facts = machine()
    print(f"`{facts['command']}`, {facts['date']}, commit {facts['commit']}, {facts['processor']}\n")
    print(
        "| space | networks | claimed = taken | order proven | memory saved by the order: mean, most | "
        "the runtime's own, bytes an operator | greatest difference to LiteRT, steps | seconds to plan |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in SPACES:
        print(_row(name, _of_space(name, options)), flush=True)


def _row(name: str, rows: list[Found]) -> str:
    saved = [1 - row.best / row.own for row in rows]
    own = [row.tail / row.operators for row in rows]
    return (
        f"| {name} | {len(rows)} | {sum(row.head == row.best for row in rows)} | {sum(row.proven for row in rows)} | "
        f"{100 * statistics.fmean(saved):.1f} %, {100 * max(saved):.1f} % | {min(own):.0f} to {max(own):.0f} | "
        f"{max(row.steps for row in rows)} | {statistics.fmean(row.seconds for row in rows):.2f} |"
    )


def _of_space(name: str, options: argparse.Namespace) -> list[Found]:
    space = make_space(OmegaConf.create({"space": load_yaml(shipped("search_spaces") / f"{name}.yaml")}))
    rng, found = random.Random(options.seed), list[Found]()
    while len(found) < options.networks:
        genotype = random_genotype(space, rng)
        try:
            found.append(_measured(genotype, NetworkConfig(size=options.size).of(genotype)))
        except UserError as error:  # a space of stages may shrink so small an image to nothing
            print(f"{name}: {error}", file=sys.stderr)
    return found


def _measured(genotype: Genotype, config: NetworkConfig) -> Found:
    source = untrained(build_network(genotype, config).eval(), config, genotype.key)
    plain = tflite_graph(source.model, source.ranges, byte_ends=True)
    begin = time.perf_counter()
    plan = planned(plain)
    seconds = time.perf_counter() - begin
    data = serialise(plan.graph, "nastk")
    micro, lite = runtime.Interpreter.from_bytes(data, arena_size=ROOM), Interpreter(model_content=data)
    lite.allocate_tensors()
    image = np.random.default_rng(0).integers(-128, 128, plan.graph.input.shape, np.int8)
    micro.set_input(image, 0)
    micro.invoke()
    lite.set_tensor(lite.get_input_details()[0]["index"], image)
    lite.invoke()
    logits = lite.get_tensor(lite.get_output_details()[0]["index"]).astype(int)
    steps = int(np.abs(micro.get_output(0).astype(int) - logits).max())
    taken = _told(micro)
    count = len(plan.graph.operators)
    return Found(arena_bytes(plain), plan.arena, plan.proven, taken["head"], taken["tail"], count, steps, seconds)


def _told(micro: runtime.Interpreter) -> dict[str, int]:
    """Returns what the interpreter prints of its arena, from C: "head" for activations, "tail" for all else."""
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            micro.print_allocations()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        words = [line.split() for line in file.read().decode().splitlines() if "Arena allocation" in line]
    return {line[3]: int(line[4]) for line in words}


if __name__ == "__main__":
    main()
