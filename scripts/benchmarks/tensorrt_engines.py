"""Builds TensorRT engines of a trained network on this machine's NVIDIA GPU, checks them on real images, times them.

    python -m nastk.search run=gpu +space=nasnet data=fashion_mnist && python -m nastk.transfer run=gpu baselines=[]
    python scripts/benchmarks/tensorrt_engines.py --model runs/gpu/transfer/<key> --data fashion_mnist
    (and --out scripts/benchmarks/reports/<date>-tensorrt.md)

Writes a report in Markdown: accuracy and agreement with torch and with ONNX Runtime of each precision's engine on the
test images; latency at several batch sizes, as one CUDA graph and launch by launch, beside ONNX Runtime's or torch's on
the same GPU; seconds that building takes without and with a timing cache. Where TensorRT or a GPU is missing it says so
in one line and ends with code 2.

Not named tensorrt.py: Python would take it for the library.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from nastk.config.build import build, load_yaml, shipped
from nastk.deploy.emittable import Emittable, emittable
from nastk.deploy.export.assess import quality, torch_logits
from nastk.deploy.images import balanced, normalised
from nastk.deploy.runtimes.gpu import present_gpu
from nastk.deploy.runtimes.gpu_session import missing_runtime, runtime_name
from nastk.deploy.runtimes.latency import Latency
from nastk.deploy.runtimes.machine import machine_facts, versions
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.targets.cuda import CudaTarget
from nastk.deploy.targets.target import Target
from nastk.deploy.targets.tensorrt import TensorrtTarget, missing_tensorrt
from nastk.errors import UserError
from nastk.networks.stored import Trained, load_trained
from nastk.runs.folder import git_commit


def options() -> argparse.ArgumentParser:
    """Returns what the command line takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="folder of a trained network, <run>/transfer/<key>")
    parser.add_argument("--data", required=True, help="a file of conf/data: what it was trained on")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=1.0, help="of measuring a file")
    parser.add_argument("--without-tensorrt", action="store_true", help="the files of target cuda alone")
    parser.add_argument("--out", type=Path)
    return parser


def main() -> None:
    given = options().parse_args()
    missing = missing_runtime() if given.without_tensorrt else missing_tensorrt()
    if missing is not None:
        print(f"tensorrt_engines.py: nothing measured: {missing}", file=sys.stderr)
        sys.exit(2)
    measure = run_cuda if given.without_tensorrt else run
    try:
        report = measure(given.model, given.data, given.batches, given.seconds)
    except UserError as error:
        print(f"tensorrt_engines.py: {error}", file=sys.stderr)
        sys.exit(2)
    if given.out is not None:
        given.out.write_text(report)
    print(report)


def run(model: Path, data_name: str, batches: Sequence[int], seconds: float) -> str:
    """Returns the report of engines, and of the files of target cuda beside them."""
    trained, data, source = _source(model, data_name)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        cache = folder / "kernels.timing"
        target = TensorrtTarget(max_batch=max(64, *batches), timing_cache=str(cache))
        cold = _seconds(target, source, folder)
        warm = _seconds(target, source, folder)
        CudaTarget().emit(source, folder)
        parts = [_heading(model, data_name), _parity(target, folder, trained, data), "## Latency, p50 in ms\n"]
        parts += [_latencies(target, folder, batch, seconds) for batch in batches]
    parts.append(
        f"## Building three engines\n\n{cold:.1f} s, and {warm:.1f} s with the timing cache of the first time."
    )
    return "\n\n".join(parts) + "\n"


def run_cuda(model: Path, data_name: str, batches: Sequence[int], seconds: float) -> str:
    """Returns the report of the files of target cuda alone."""
    trained, data, source = _source(model, data_name)
    with tempfile.TemporaryDirectory() as place:
        folder, target = Path(place), CudaTarget()
        target.emit(source, folder)
        rows = []
        for batch in batches:
            paths = [folder / name for name in target.files.values()]
            found = CudaTarget(batch=batch).measure(paths, seconds=seconds)
            rows.append(f"| {batch} | {' | '.join(map(_cell, found))} |")
        head = f"## Latency by {runtime_name()}, p50 in ms\n\n| batch | {' | '.join(target.files)} |\n|---|---|---|\n"
        parts = [_heading(model, data_name), _parity(target, folder, trained, data), head + "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def _source(model: Path, data_name: str) -> tuple[Trained, Any, Emittable]:
    """Returns a trained network, the images that it was trained on, and what its files are made of."""
    trained = load_trained(model)
    data = build(load_yaml(shipped("conf") / "data" / f"{data_name}.yaml"), "data")
    normal = trained.facts["normalisation"]
    calibration = normalised(balanced(data.train(), 256), normal["mean"], normal["std"])
    return trained, data, emittable(trained.network, trained.config, trained.genotype.key, calibration)


def _seconds(target: TensorrtTarget, source: Emittable, folder: Path) -> float:
    before = time.perf_counter()
    target.emit(source, folder)
    return time.perf_counter() - before


def _parity(target: Target, folder: Path, trained: Trained, data: Any) -> str:
    normal = trained.facts["normalisation"]
    pixels, labels = next(iter(data.test().batches(10_000)))
    images = normalised(pixels, normal["mean"], normal["std"])
    reference = torch_logits(trained.network, images)
    lines = [
        f"## {len(images)} test images\n",
        "| precision | accuracy | agreement with torch | with ONNX Runtime | greatest difference to it |",
        "|---|---|---|---|---|",
    ]
    for precision, name in target.files.items():
        logits = target.runner(folder / name)(images)
        score = quality(logits, reference, labels.numpy())
        expected = predict(open_session((folder / name).read_bytes(), threads=0), images)
        same, far = (logits.argmax(1) == expected.argmax(1)).mean(), np.abs(logits - expected).max()
        lines.append(f"| {precision} | {score.accuracy:.4f} | {score.agreement:.4f} | {same:.4f} | {far:.3g} |")
    return "\n".join(lines)


def _latencies(target: TensorrtTarget, folder: Path, batch: int, seconds: float) -> str:
    here = dataclasses.replace(target, batch=batch)
    paths = [folder / name for name in here.files.values()]
    cuda = CudaTarget(batch=batch)
    other = cuda.measure([folder / name for name in cuda.files.values()], seconds=seconds)
    rows = [
        ("TensorRT, one CUDA graph", here.measure_launched(paths, runs=200, seconds=seconds, cuda_graph=True)),
        ("TensorRT, launches", here.measure_launched(paths, runs=200, seconds=seconds, cuda_graph=False)),
        (runtime_name(), other),
    ]
    lines = [f"Batch {batch}:\n", f"| | {' | '.join(here.files)} |", "|---|" + "---|" * len(here.files)]
    for name, found in rows:
        cells = [*map(_cell, found), *["-"] * (len(here.files) - len(found))]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(latency: Latency) -> str:
    return f"{latency.p50_ms:.4f} (spread {100 * latency.spread:.1f} %)"


def _heading(model: Path, data_name: str) -> str:
    version = "not used" if missing_tensorrt() else importlib.import_module("tensorrt").__version__
    facts = {"date": date.today().isoformat(), "commit": git_commit(), "gpu": present_gpu()}
    facts |= {"tensorrt": version, "network": model.name, "data": data_name}
    lines = "\n".join(f"- {name}: {value}" for name, value in {**facts, **machine_facts(), **versions()}.items())
    return f"# Files on a GPU\n\n`python {shlex.join(sys.argv)}`\n\n{lines}"


if __name__ == "__main__":
    main()
