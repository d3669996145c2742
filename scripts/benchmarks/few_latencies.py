"""Measures random networks of a space in five ways on this machine, for scripts/benchmarks/few_samples.py.

    python scripts/benchmarks/few_latencies.py --space mobile --size 96 \\
        --out scripts/benchmarks/reports/<date>-few-mobile.json

The five are ONNX Runtime in float32 and int8, OpenVINO in float32 and int8, and torch, each on one thread and one
image. What counts is the least processor time of a run, over two passes: others may use the same core meanwhile, which
makes the clock on the wall say nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import openvino
import torch
from machine import machine

from nastk.config.build import build, load_yaml
from nastk.deploy.cost.op_bench import written
from nastk.deploy.cost.workload import graph_terms
from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.runtimes.session import open_session
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.spaces import Space, random_genotype

ROOT = Path(__file__).resolve().parents[2]
Call = Callable[[], object]
NETWORKS: dict[str, dict[str, int]] = {"mobile": {}, "nasnet": {"cells": 1, "filters": 16}}
PASSES, LEAST_RUNS, MOST_RUNS, SECONDS = 2, 5, 50, 0.03


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", choices=NETWORKS, default="mobile")
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--size", type=int, default=96, help="pixels a side")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    node = load_yaml(ROOT / "search_spaces" / f"{arguments.space}.yaml")
    if "size" in node:
        node.size = arguments.size
    space: Space = build(node, "space")
    rng = random.Random(0)
    config = NetworkConfig(size=arguments.size, **NETWORKS[arguments.space])
    genotypes, graphs, latencies = [], [], []
    for count in range(arguments.networks):
        genotype = random_genotype(space, rng)
        graph, calls = _prepared(genotype, config)
        passes = [{name: _milliseconds(call) for name, call in calls.items()} for _ in range(PASSES)]
        genotypes.append(genotype.to_dict())
        graphs.append(graph)
        latencies.append({name: round(min(one[name] for one in passes), 5) for name in calls})
        print(count + 1, latencies[-1], file=sys.stderr, flush=True)
    content = {
        "machine": machine(),
        "network": config.to_dict(),
        "genotypes": genotypes,
        "graph_terms": graphs,
        "cpu_ms": {name: [one[name] for one in latencies] for name in latencies[0]},
    }
    arguments.out.write_text(json.dumps(content) + "\n")


def _milliseconds(call: Call) -> float:
    """Returns the least processor time of a run, after two that do not count."""
    call()
    call()
    times: list[float] = []
    while len(times) < LEAST_RUNS or (sum(times) < SECONDS and len(times) < MOST_RUNS):
        before = time.process_time()
        call()
        times.append(time.process_time() - before)
    return min(times) * 1000


def _prepared(genotype: Genotype, config: NetworkConfig) -> tuple[dict[str, float], dict[str, Call]]:
    own = config.of(genotype)
    float32, int8 = (written(genotype, config, precision) for precision in ("fp32", "int8"))
    network = build_network(genotype, own).eval()
    images = np.random.default_rng(0).standard_normal((1, *own.shape), np.float32)
    return graph_terms(float32.model), {
        "ort_fp32": _ort(float32.file, images),
        "ort_int8": _ort(int8.file, images),
        "openvino_fp32": _openvino(float32.file, images),
        "openvino_int8": _openvino(int8.file, images),
        "torch_fp32": _torch(network, torch.from_numpy(images)),
    }


def _ort(file: bytes, images: np.ndarray) -> Call:
    session = open_session(file, 1)
    return lambda: session.run(None, {INPUT: images})


def _openvino(file: bytes, images: np.ndarray) -> Call:
    core = openvino.Core()
    model = core.read_model(file)
    model.reshape(list(images.shape))
    hints = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(model, "CPU", hints).create_infer_request()
    return lambda: request.infer({0: images}, share_inputs=True, share_outputs=True)


def _torch(network: torch.nn.Module, images: torch.Tensor) -> Call:
    def call() -> object:
        with torch.inference_mode():
            return network(images)

    return call


if __name__ == "__main__":
    main()
