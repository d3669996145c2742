"""Measures random networks of the mobile space in six ways on this machine, for scripts/benchmarks/few_samples.py.

    python scripts/benchmarks/few_stage_latencies.py --out scripts/benchmarks/reports/<date>-few-stage-latencies.json

The six are ONNX Runtime in float32 at batch 1 and 8 and in int8, OpenVINO in float32 and int8, and torch, each on one
thread. Every network is timed in each of them in `--rounds` rounds over all; the quickest of all runs counts, not the
median, for that is what a machine that others use at the same time still tells.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
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
from nastk.deploy.runtimes.latency import quick_times
from nastk.deploy.runtimes.session import open_session
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.spaces import Space, random_genotype

ROOT = Path(__file__).resolve().parents[2]
Call = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=80)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3, help="for each measurement of a network")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    node = load_yaml(ROOT / "search_spaces" / "mobile.yaml")
    node.size = arguments.size
    space: Space = build(node, "space")
    rng = random.Random(0)
    config = NetworkConfig(size=arguments.size)
    drawn = [random_genotype(space, rng) for _ in range(arguments.networks)]
    calls = [_calls(one, config) for one in drawn]
    latencies = {name: [np.inf] * len(drawn) for name in calls[0]}
    for turn in range(arguments.rounds):
        for index, made in enumerate(calls):
            for name, call in made.items():
                quickest = min(quick_times(call, arguments.seconds)) * 1000
                latencies[name][index] = min(latencies[name][index], quickest)
        print(f"round {turn + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
    content = {
        "machine": machine(),
        "network": config.to_dict(),
        "genotypes": [one.to_dict() for one in drawn],
        "graph_terms": [graph_terms(written(one, config, "fp32").model) for one in drawn],
        "latency_ms": {name: [round(value, 5) for value in values] for name, values in latencies.items()},
    }
    arguments.out.write_text(json.dumps(content) + "\n")


def _calls(genotype: Genotype, config: NetworkConfig) -> dict[str, Call]:
    own = config.of(genotype)
    files = {precision: written(genotype, config, precision).file for precision in ("fp32", "int8")}
    network = build_network(genotype, own).eval()
    images = {batch: np.random.default_rng(0).standard_normal((batch, *own.shape), np.float32) for batch in (1, 8)}
    return {
        "ort_fp32": _ort(files["fp32"], images[1]),
        "ort_fp32_b8": _ort(files["fp32"], images[8]),
        "ort_int8": _ort(files["int8"], images[1]),
        "openvino_fp32": _openvino(files["fp32"], images[1]),
        "openvino_int8": _openvino(files["int8"], images[1]),
        "torch_fp32": _torch(network, torch.from_numpy(images[1])),
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
