"""Checks nastk.bench against a loop of its own that shares no code with it: ONNX Runtime, time.perf_counter, a median.

    python scripts/benchmarks/latency_agreement.py --out scripts/benchmarks/reports/<date>-latency-agreement.md

Random networks of several sizes, in float32 and int8, one and two threads, batch 1 and 8. The two take turns, each in a
process of its own, so that a change of the machine hits both. The search's measurement, which ends when the median's
confidence interval is within 2 %, is a third column, with the seconds that it took.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from nastk.deploy.cost.op_bench import written
from nastk.deploy.runtimes.latency import quick_latency
from nastk.deploy.runtimes.machine import machine_facts, versions
from nastk.deploy.runtimes.session import open_session
from nastk.networks import NetworkConfig
from nastk.runs.folder import git_commit
from nastk.spaces import NasBench201Space, NasnetSpace, random_genotype

# What the other side runs: it imports nothing of nastk and leaves ONNX Runtime's settings as they are but for threads.
LOOP = """
import json, statistics, sys, time
import numpy, onnxruntime
path, batch, threads, size, seconds = sys.argv[1], *map(float, sys.argv[2:])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
image = numpy.random.default_rng(1).standard_normal((int(batch), 3, int(size), int(size))).astype("float32")
for _ in range(20):
    session.run(None, {"image": image})
times = []
end = time.perf_counter() + seconds
while len(times) < 200 or time.perf_counter() < end:
    start = time.perf_counter()
    session.run(None, {"image": image})
    times.append(time.perf_counter() - start)
print(json.dumps(1000 * statistics.median(times)))
"""
OURS = """
import json, sys
from pathlib import Path
from nastk.deploy.runtimes.latency import measure
path, batch, threads, size, seconds = sys.argv[1], *map(float, sys.argv[2:])
print(json.dumps(measure([Path(path)], batch=int(batch), threads=int(threads), seconds=seconds)[0].p50_ms))
"""
CASES = [
    ("nasbench201 N=1 F=16", NasBench201Space(), NetworkConfig(cells=1, filters=16), "fp32", 1, 1),
    ("nasbench201 N=5 F=16", NasBench201Space(), NetworkConfig(cells=5, filters=16), "fp32", 1, 1),
    ("nasbench201 N=5 F=16", NasBench201Space(), NetworkConfig(cells=5, filters=16), "int8", 1, 1),
    ("nasnet N=2 F=16", NasnetSpace(), NetworkConfig(cells=2, filters=16), "fp32", 1, 1),
    ("nasnet N=2 F=16", NasnetSpace(), NetworkConfig(cells=2, filters=16), "int8", 8, 1),
    ("nasnet N=2 F=32", NasnetSpace(), NetworkConfig(cells=2, filters=32), "fp32", 1, 2),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5, help="of each side")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each turn")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    arguments = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for index, (name, space, config, precision, batch, threads) in enumerate(CASES):
            path = Path(folder) / f"{index}.onnx"
            path.write_bytes(written(random_genotype(space, random.Random(index)), config, precision).file)
            words = [str(path), str(batch), str(threads), str(config.size), str(arguments.seconds)]
            ours, theirs, quick, took = [], [], [], []
            for _ in range(arguments.turns):
                ours.append(_run(OURS, words))
                theirs.append(_run(LOOP, words))
                start = time.perf_counter()
                images = np.zeros((batch, 3, config.size, config.size), dtype=np.float32)
                quick.append(quick_latency(open_session(path.read_bytes(), threads), images))
                took.append(time.perf_counter() - start)
            ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
            lines.append(
                f"| {name} | {precision} | {batch} | {threads} | {statistics.median(ours):.4f} "
                f"| {statistics.median(theirs):.4f} | {statistics.median(ratios):.3f} ({min(ratios):.3f} to "
                f"{max(ratios):.3f}) | {statistics.median(quick):.4f} | {statistics.median(took):.2f} |"
            )
            print(lines[-1], file=sys.stderr)
    facts = {"date": time.strftime("%Y-%m-%d"), "commit": git_commit(), **machine_facts(), **versions()}
    text = "\n".join(
        [
            "# nastk.bench against a loop of its own",
            "",
            f"`python {shlex.join(sys.argv)}`",
            "",
            *(f"- {key}: {value}" for key, value in facts.items()),
            "",
            f"p50 in milliseconds, median of {arguments.turns} turns each; ratio: of turns beside each other, median,",
            "least and greatest. Search: the measurement of a search's candidates, with the seconds that it took, the",
            "opening of the session included.",
            "",
            "| network | precision | batch | threads | nastk.bench | loop | ratio | search | seconds |",
            "|---|---|---|---|---|---|---|---|---|",
            *lines,
            "",
        ]
    )
    if arguments.out is None:
        print(text)
    else:
        arguments.out.write_text(text)


def _run(program: str, words: list[str]) -> float:
    here = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program, *words], cwd=here, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
