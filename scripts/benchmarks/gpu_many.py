"""Times training many small networks of equal shapes at once on one GPU, against one after another and on streams.

    python scripts/benchmarks/gpu_many.py --out scripts/benchmarks/reports/<date>-gpu-many.md

What is compared is in `many_networks.py`; tests/benchmarks/test_gpu_many.py shows on a CPU that all learn the same.
HFTA (Wang et al., MLSys 2021) reports up to 15 times as many networks an hour. Both the usual launches and CUDA graphs
of whole steps are timed, since a graph already takes away much of what small kernels cost. Without a GPU nothing is
timed: one line, exit code 2.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from kept_rows import KeptRows
from machine import machine
from many_networks import AsOne, Step, captured, on_streams, one_after_another
from torch import Tensor, nn
from training_report import in_turn, ratio
from training_sides import Subject, subjects

from nastk.deploy.runtimes.gpu import missing_gpu, present_gpu
from nastk.networks import build_network
from nastk.training.device import place
from nastk.training.recipe import Recipe

FORMS = {"one after another": one_after_another, "streams": on_streams, "as one": AsOne}
USUAL = "one after another, graph"


def options() -> argparse.ArgumentParser:
    """Returns what the command line takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 4, 16, 64], help="networks at once")
    parser.add_argument("--batch", type=int, default=64, help="images a step, of each network")
    parser.add_argument("--steps", type=int, default=20, help="timed at once")
    parser.add_argument("--rounds", type=int, default=5, help="of each comparison")
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--work", type=Path, help="folder of what is measured; an earlier one goes on")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    return parser


def networks_of(subject: Subject, count: int, device: torch.device) -> list[nn.Module]:
    """Returns so many networks of a subject, each with first weights of its own."""
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        network = build_network(subject.genotype, subject.config)
        place(network, device)
        made.append(network)
    return made


def batch_of(subject: Subject, count: int, size: int, device: torch.device, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Returns images (count, size, C, H, W) of noise and labels (count, size) of a subject's shape."""
    random, config = torch.Generator().manual_seed(seed), subject.config
    shape = (count, size, config.channels, config.size, config.size)
    images = torch.randn(shape, generator=random)
    return images.to(device), torch.randint(0, config.classes, shape[:2], generator=random).to(device)


def seconds(step: Step, images: Tensor, labels: Tensor, steps: int) -> float:
    """Returns what so many steps take on a GPU."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(steps):
        step(images, labels)
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3


def compare(subject: Subject, count: int, given: argparse.Namespace, device: torch.device) -> list[list[object]]:
    """Returns a row for each way of training so many networks: images a second, and against the usual way."""
    batch = batch_of(subject, count, given.batch, device)
    recipe = Recipe(batch=given.batch, learning_rate=0.01, auxiliary=0.0, precision=given.precision)
    sides: dict[str, Callable[[], float]] = {}
    for name, form in FORMS.items():
        for way in ("launches", "graph"):
            step = form(networks_of(subject, count, device), recipe)
            step = captured(step, *batch) if way == "graph" else step
            sides[f"{name}, {way}"] = partial(seconds, step, *batch, given.steps)
    found = in_turn(sides, given.rounds)
    rows: list[list[object]] = []
    for name, times in found.items():
        middle, least, most = ratio(found[USUAL], times)
        rate = count * given.batch * given.steps / statistics.median(times)
        rows.append([subject.name, count, name, f"{rate:.0f}", f"{middle:.2f}", f"{least:.2f} to {most:.2f}"])
    return rows


def compared(subject: Subject, count: int, given: argparse.Namespace, device: torch.device) -> list[list[object]]:
    """Returns the rows of `compare`; where the GPU has too little memory one that says so."""
    with contextlib.suppress(torch.OutOfMemoryError):
        return compare(subject, count, given, device)
    gc.collect()  # what the failure left of the networks
    torch.cuda.empty_cache()
    return [[subject.name, count, "out of memory", "-", "-", "-"]]


def measured(given: argparse.Namespace, device: torch.device) -> list[list[object]]:
    """Returns the rows of all subjects and counts, each kept once it is measured."""
    settings = {name: getattr(given, name) for name in ("batch", "steps", "rounds", "precision")}
    kept = KeptRows(given.work, {"gpu": str(present_gpu()), "commit": machine()["commit"], **settings})
    return [
        row
        for subject in subjects(64)
        for count in given.counts
        for row in kept.rows(f"{subject.name}, {count}", partial(compared, subject, count, given, device))
    ]


def report(rows: Sequence[Sequence[object]], given: argparse.Namespace) -> str:
    """Returns the report in Markdown."""
    facts = {
        **machine(),
        "gpu": present_gpu(),
        "memory at most": f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB",
    }
    head = ["images", "networks", "way", "images/s, of all", f"times {USUAL}", "spread"]
    table = [" | ".join(map(str, row)) for row in (head, ["---"] * len(head), *rows)]
    text = (
        f"Separable 3x3 cells, N = 1, F = 12, batch {given.batch} a network, {given.precision}, whole steps of SGD on "
        f"batches that lie on the GPU; {given.steps} steps a time, {given.rounds} rounds in turn."
    )
    told = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    return f"# Many small networks on one GPU\n\n{told}\n\n{text}\n\n" + "\n".join(f"| {one} |" for one in table) + "\n"


def main() -> None:
    given = options().parse_args()
    missing = missing_gpu()
    if missing is not None:
        print(f"gpu_many.py: nothing timed: {missing}", file=sys.stderr)
        sys.exit(2)
    device = torch.device("cuda:0")
    text = report(measured(given, device), given)
    print(text) if given.out is None else given.out.write_text(text)


if __name__ == "__main__":
    main()
