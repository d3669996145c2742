"""Times a training on 1 to n GPUs of this machine: DDP with NCCL, the same images a step for each GPU.

    python scripts/benchmarks/gpu_ddp.py --work runs/gpu-ddp --out scripts/benchmarks/reports/<date>-gpu-ddp.md

What is timed is from the end of the first epoch to the end of the last; of a training that goes on, from the first
epoch of this sitting. With one GPU, DDP with one process stands
beside the plain training: what it costs by itself. Without a GPU: one line, exit code 2.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from kept_rows import KeptRows
from machine import machine
from training_sides import separable

from nastk.config.build import build, load_yaml, shipped
from nastk.deploy.runtimes.gpu import missing_gpu, present_gpu
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from nastk.training.run_settings import RunSettings
from nastk.training.transfer import TransferSettings, train_final

CELLS, FILTERS = 2, 32


def options() -> argparse.ArgumentParser:
    """Returns what the command line takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", help="a file of conf/data")
    parser.add_argument("--work", type=Path, required=True, help="folder of what is trained; an earlier one goes on")
    parser.add_argument("--batch", type=int, default=256, help="images a step, of each GPU")
    parser.add_argument("--epochs", type=int, default=4, help="at least 2")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    return parser


def measured(run: RunSettings, given: argparse.Namespace, device: str = "cuda") -> list[object]:
    """Returns a row: processes, strategy, images a second, accuracy.

    A training that was ended goes on, and the epochs that are left are timed; one with fewer than two begins anew.
    """
    data = build(load_yaml(shipped("conf") / "data" / f"{given.data}.yaml"), "data")
    shape = {"classes": len(data.classes), "channels": data.channels, "size": data.size}
    config = NetworkConfig(cells=CELLS, filters=FILTERS, **shape)
    recipe = TransferSettings(epochs=given.epochs, batch=given.batch * run.devices, auxiliary=0.0, device=device)
    folder = given.work / f"{given.data}-{given.batch}-{given.epochs}-{run.devices}-{run.strategy}"
    ends: list[float] = []
    while len(ends) < 2:
        ends.clear()
        found = train_final(separable(), config, data, recipe, folder, lambda *_: ends.append(time.perf_counter()), run)
        if len(ends) < 2:
            shutil.rmtree(folder)
    rate = (len(ends) - 1) * len(data.train()) / (ends[-1] - ends[0])
    return [run.devices, run.strategy, rate, f"{found['accuracy']:.4f}"]


def report(rows: list[list[object]], given: argparse.Namespace) -> str:
    """Returns the report in Markdown."""
    facts = {**machine(), "gpus": f"{torch.cuda.device_count()} x {present_gpu()}", "nccl": torch.cuda.nccl.version()}
    told = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    lines = ["| GPUs | strategy | images/s | times one GPU | accuracy |", "|---|---|---|---|---|"]
    first = float(str(rows[0][2]))
    for devices, strategy, rate, accuracy in rows:
        lines.append(f"| {devices} | {strategy} | {rate:.0f} | {float(str(rate)) / first:.2f} | {accuracy} |")
    text = (
        f"{given.data}, separable 3x3 cells, N = {CELLS}, F = {FILTERS}, {given.batch} images a step and "
        f"GPU, {given.epochs} epochs, of which the first is not counted."
    )
    return f"# Training on several GPUs\n\n{told}\n\n{text}\n\n" + "\n".join(lines) + "\n"


def main() -> None:
    parser = options()
    given = parser.parse_args()
    if given.epochs < 2:
        parser.error(f"--epochs {given.epochs}: expected at least 2, since the first is not counted")
    missing = missing_gpu()
    if missing is not None:
        print(f"gpu_ddp.py: nothing timed: {missing}", file=sys.stderr)
        sys.exit(2)
    runs = [RunSettings(), RunSettings(strategy="ddp")]
    runs += [RunSettings(devices=count) for count in range(2, torch.cuda.device_count() + 1)]
    settings = {name: getattr(given, name) for name in ("data", "batch", "epochs")}
    kept = KeptRows(given.work, {"gpu": str(present_gpu()), "commit": machine()["commit"], **settings})

    def of(run: RunSettings) -> Callable[[], list[list[object]]]:
        return lambda: [measured(run, given)]

    try:
        text = report([row for run in runs for row in kept.rows(f"{run.devices}, {run.strategy}", of(run))], given)
    except UserError as error:
        print(f"gpu_ddp.py: {error}", file=sys.stderr)
        sys.exit(2)
    print(text) if given.out is None else given.out.write_text(text)


if __name__ == "__main__":
    main()
