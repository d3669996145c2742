"""Compares SGD, AdamW and Muon on short trainings of the same steps: validation accuracy, and the seconds a step takes.

    NASTK_DATA=DIR python scripts/benchmarks/optimizers.py --out scripts/benchmarks/reports/<date>-optimizers.md

Data: digits, and 3,000 images of Fashion-MNIST at 14x14. Each optimizer has its own grid of learning rates and is
judged at the best of them. Muon's (Jordan 2024, https://kellerjordan.github.io/posts/muon/) is that of the dense and
pointwise convolutions; the first convolution, the depthwise ones, norms, biases and the classifier stay with SGD.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from joblib import Parallel, delayed
from machine import machine
from torch import Tensor, nn

from nastk.data.images import DataSource
from nastk.data.sources import Digits, FashionMnist
from nastk.evaluators.training import TrainingEvaluator
from nastk.genotype import Cell, CellGenotype, Edge, Genotype, Node
from nastk.training.optimizers import groups

RATES = ("sgd=0.1", "sgd=0.2", "sgd=0.4", "adamw=0.01", "adamw=0.03", "adamw=0.1", "muon=0.03", "muon=0.1", "muon=0.3")
DECAY = {"sgd": 5e-4, "adamw": 0.05, "muon": 0.01}
REST_RATE = 0.1  # of Muon's parameters that are no matrices, by SGD
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def genotype() -> Genotype:
    """Returns cells with dense, pointwise and depthwise convolutions."""

    def cell(first: str, second: str) -> Cell:
        return Cell(
            2, (Node((Edge(1, first), Edge(0, "identity"))), Node((Edge(2, second), Edge(1, "max_pool_3x3")))), (2, 3)
        )

    return CellGenotype(
        "nasnet", (("normal", cell("sep_conv_3x3", "conv_3x3")), ("reduction", cell("conv_1x1", "sep_conv_3x3")))
    )


def orthogonal(matrices: Tensor) -> Tensor:
    """Returns (n, rows, columns) with singular values near 1: five steps of the quintic Newton-Schulz iteration."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Muon for convolution weights, those of one shape together; SGD with Nesterov momentum for all else."""

    def __init__(self, network: nn.Module, rate: float, weight_decay: float, momentum: float) -> None:
        dense = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups == 1][1:]
        matrices = {id(module.weight) for module in dense}
        found: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for module in dense:
            found.setdefault(tuple(module.weight.shape), []).append(module.weight)
        parts: list[dict[str, Any]] = [
            {"params": weights, "matrix": True, "weight_decay": weight_decay} for weights in found.values()
        ]
        for group in groups(network, DECAY["sgd"]):
            rest = [p for p in group["params"] if id(p) not in matrices]
            parts.append({**group, "params": rest, "matrix": False})
        super().__init__(parts, {"lr": rate, "momentum": momentum})
        self.share = REST_RATE / rate

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Takes a step; the rate that the schedule sets is the matrices'."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            gradients = [p.grad for p in parameters]
            if not group["matrix"] and group["weight_decay"]:
                gradients = torch._foreach_add(gradients, parameters, alpha=group["weight_decay"])
            momenta = [self.state[p].setdefault("momentum_buffer", torch.zeros_like(p)) for p in parameters]
            torch._foreach_mul_(momenta, group["momentum"])
            torch._foreach_add_(momenta, gradients)
            updates = list(torch._foreach_add(gradients, momenta, alpha=group["momentum"]))
            rate = group["lr"]
            if group["matrix"]:
                shape = parameters[0].shape
                flat = orthogonal(torch.stack([update.flatten(1) for update in updates]))
                updates = [matrix.view(shape) for matrix in flat]
                torch._foreach_mul_(parameters, 1 - rate * group["weight_decay"])
                rate *= max(1.0, shape[0] / shape[1:].numel()) ** 0.5
            else:
                rate *= self.share
            torch._foreach_add_(parameters, updates, alpha=-rate)
        return loss


@dataclasses.dataclass(frozen=True, kw_only=True)
class MuonEvaluator(TrainingEvaluator):
    """An evaluator that trains with Muon."""

    def make_optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """Returns Muon instead of the recipe's optimizer."""
        return Muon(network, self.learning_rate, self.weight_decay, self.momentum)


def trained(kind: str, rate: float, data: DataSource, epochs: int, seed: int) -> tuple[float, float]:
    """Returns the validation accuracy in percent, and the processor's seconds."""
    made: Callable[..., TrainingEvaluator] = MuonEvaluator if kind == "muon" else TrainingEvaluator
    evaluator = made(
        data=data,
        network={"cells": 1, "filters": 8},
        optimizer="sgd" if kind == "muon" else kind,
        learning_rate=rate,
        weight_decay=DECAY[kind],
        momentum=0.95 if kind == "muon" else 0.9,
        epochs=epochs,
        seed=seed,
        device="cpu",
        threads=1,
    )
    start = time.process_time()
    accuracy = evaluator.evaluate(genotype(), lambda epoch, accuracy: None)["accuracy"]
    return 100 * accuracy, time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--data", nargs="+", choices=("digits", "fashion_mnist"), default=["digits", "fashion_mnist"])
    parser.add_argument("--rates", nargs="+", default=RATES, help="pairs of optimizer and learning rate: sgd=0.1")
    parser.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    arguments = parser.parse_args()
    root = Path(os.environ.get("NASTK_DATA", ".")) / "fashion-mnist"
    sources: dict[str, DataSource] = {
        "digits": Digits(),
        "fashion_mnist": FashionMnist(root=str(root), resize=14, subset=3000, validation=2000),
    }
    seeds = range(arguments.seeds)
    lines = ["# SGD, AdamW and Muon at equal steps", "", *(f"- {name}: {value}" for name, value in machine().items())]
    lines += [f"- {arguments.epochs} epochs of batches of 64, {arguments.seeds} seeds, networks of N=1, F=8"]
    for name in arguments.data:
        lines += ["", f"## {name}", "", "| optimizer | rate | validation accuracy | of each seed | processor seconds |"]
        lines += ["|---|---|---|---|---|"]
        for asked in arguments.rates:
            kind, rate = asked.split("=")
            tasks = [delayed(trained)(kind, float(rate), sources[name], arguments.epochs, seed) for seed in seeds]
            accuracies, seconds = zip(*Parallel(n_jobs=arguments.workers)(tasks), strict=True)
            mean, spread = statistics.mean(accuracies), statistics.stdev(accuracies)
            each = " ".join(f"{accuracy:.1f}" for accuracy in accuracies)
            lines.append(f"| {kind} | {rate} | {mean:.2f} ± {spread:.2f} | {each} | {statistics.median(seconds):.1f} |")
            print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines) + "\n"
    if arguments.out is None:
        print(text, end="")
    else:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
