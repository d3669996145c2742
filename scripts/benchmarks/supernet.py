"""Measures how weights that networks share rank these, against the same networks trained alone.

    python scripts/benchmarks/supernet.py --work DIR --out scripts/benchmarks/reports/<date>-supernet.md

Trains the shared weights of a space of stages on a part of Fashion-MNIST, draws networks of it at random, judges each
by what it inherits, and trains each alone as a search with `evaluator=training` would. Prints Kendall's tau with a
bootstrap interval, that of the networks' sizes beside it, and the seconds of both sides. With `--table` the other side
is NAS-Bench-Macro's published accuracies, on CIFAR-10. What is done is kept in `--work`, and not done again.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from machine import machine
from numpy.typing import NDArray
from omegaconf import OmegaConf

from nastk.config.build import build, load_yaml, shipped
from nastk.data.sources import Cifar10, FashionMnist
from nastk.evaluators.supernet import SupernetEvaluator
from nastk.evaluators.training import TrainingEvaluator
from nastk.genotype.stages import StageGenotype
from nastk.networks import build_network
from nastk.networks.count import count_macs, count_parameters
from nastk.seeds import derive_seed
from nastk.spaces import StageSpace, random_genotype
from nastk.stats.rank_agreement import kendall

DRAWS = 2000
BEST = 0.2

Known = dict[str, dict[str, float]]


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    given.work.mkdir(parents=True, exist_ok=True)
    name = "nas_bench_macro" if given.table else "mobile"
    data = (Cifar10 if given.table else FashionMnist)(subset=given.images, validation=given.validation)
    node = load_yaml(shipped("search_spaces") / f"{name}.yaml")
    space: StageSpace = build(OmegaConf.merge(node, {"size": data.size}), "space")
    networks = drawn(space, given.count)
    common = {"data": data, "network": {"width_multiplier": given.width}, "threads": 1}
    common |= {"resolutions": space.resolutions}
    recipe = {"epochs": given.epochs, "batch": given.batch, "learning_rate": given.rate, "momentum": given.momentum}
    shared = SupernetEvaluator(space=space, warmup=0.05, weight_decay=5e-5, **recipe, **common)
    if given.table is None:
        alone = [
            TrainingEvaluator(epochs=given.alone_epochs, batch=64, repeat=one, **common) for one in range(given.repeats)
        ]
        others = [each(given.work / f"alone-{one.repeat}.jsonl", networks, one.evaluate) for one in alone]
    else:
        others = [of_table(given.table, networks, space)]
    seconds = trained(shared, given.work)
    judged = each(setting(shared, given.work).with_suffix(".jsonl"), networks, shared.evaluate)
    sizes = {key: counted(genotype, shared) for key, genotype in networks.items()}
    lines = [*origin(given, name), *rankings(given, judged, others, sizes), *costs(given, judged, others, seconds)]
    text = "\n".join([*lines, *table(judged, others, sizes)]) + "\n"
    print(text)
    if given.out is not None:
        given.out.write_text(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for what is done")
    parser.add_argument("--count", type=int, default=16, help="networks")
    parser.add_argument("--epochs", type=int, default=48, help="of the shared weights")
    parser.add_argument("--batch", type=int, default=32, help="images a step of theirs")
    parser.add_argument("--rate", type=float, default=0.3, help="highest learning rate of theirs")
    parser.add_argument("--momentum", type=float, default=0.0, help="of theirs")
    parser.add_argument("--alone-epochs", type=int, default=4, help="of a network that is trained alone")
    parser.add_argument("--repeats", type=int, default=2, help="trainings of each network alone")
    parser.add_argument("--width", type=float, default=0.25, help="factor on the space's channels")
    parser.add_argument("--images", type=int, default=6000, help="that are trained on")
    parser.add_argument("--validation", type=int, default=2000, help="that are judged on")
    parser.add_argument("--table", type=Path, help="nb_macro_cifar10.npz: compare with it, and train nothing alone")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    return parser.parse_args()


def drawn(space: StageSpace, count: int) -> dict[str, StageGenotype]:
    """Returns so many different networks of a space by their keys."""
    rng, networks = random.Random(0), dict[str, StageGenotype]()
    while len(networks) < count:
        genotype = random_genotype(space, rng)
        assert isinstance(genotype, StageGenotype)
        networks[genotype.key] = genotype
    return networks


def trained(shared: SupernetEvaluator, work: Path) -> float:
    """Trains the shared weights, or finds them; returns the seconds that it took, in all sittings."""
    folder = setting(shared, work)
    clock = folder.with_suffix(".seconds")
    before = float(clock.read_text()) if clock.exists() else 0.0
    start = time.process_time()
    shared.prepare(folder)
    total = before + time.process_time() - start
    if not clock.exists():
        clock.write_text(f"{total}")
    shared.load(folder)
    return total if before == 0 else before


def setting(shared: SupernetEvaluator, work: Path) -> Path:
    """Returns the folder of shared weights of one recipe."""
    numbers = (shared.epochs, shared.batch, shared.learning_rate, shared.momentum)
    return work / "-".join(["supernet", *(str(number).replace(".", "_") for number in numbers)])


def each(path: Path, networks: dict[str, StageGenotype], evaluate: Callable[..., dict[str, float]]) -> Known:
    """Returns accuracy and processor seconds of every network; those that a file has are not evaluated again."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {line["key"]: line for line in lines}
    for key, genotype in networks.items():
        if key not in known:
            start = time.process_time()
            accuracy = evaluate(genotype, lambda epoch, accuracy: None)["accuracy"]
            known[key] = {"key": key, "accuracy": accuracy, "seconds": time.process_time() - start}
            with path.open("a") as file:
                file.write(json.dumps(known[key]) + "\n")
            print(f"{path.stem} {key[:8]} {accuracy:.4f} {known[key]['seconds']:.1f} s", file=sys.stderr, flush=True)
    return {key: known[key] for key in networks}


def of_table(path: Path, networks: dict[str, StageGenotype], space: StageSpace) -> Known:
    """Returns the published accuracy of networks of NAS-Bench-Macro, the mean of three trainings, 0 to 1."""
    with np.load(path, allow_pickle=False) as table:
        means = accuracies(table["test_acc"])
        rows = {tuple(int(digit) for digit in arch): mean for arch, mean in zip(table["arch"], means, strict=True)}
    found: Known = {}
    for digits, accuracy in rows.items():
        answers = iter(digits)
        genotype = space.genotype(lambda _, options, answers=answers: options[next(answers)])
        if genotype.key in networks:
            found[genotype.key] = {"accuracy": accuracy, "seconds": 0.0}
    return {key: found[key] for key in networks}


def accuracies(values: NDArray[np.float64]) -> list[float]:
    """Returns the mean over the trainings of each network, as a share."""
    return [float(row.mean()) / 100 for row in values.reshape(len(values), -1)]


def counted(genotype: StageGenotype, shared: SupernetEvaluator) -> tuple[float, float]:
    """Returns parameters and multiply-accumulates."""
    config = shared.network_config.of(genotype)
    network = build_network(genotype, config).eval()
    return float(count_parameters(network, False)), float(count_macs(network, config))


def truths(others: Sequence[Known]) -> dict[str, float]:
    """Returns the accuracy that counts of each network: the mean of its trainings alone."""
    return {key: float(np.mean([other[key]["accuracy"] for other in others])) for key in others[0]}


def origin(given: argparse.Namespace, name: str) -> list[str]:
    """Returns the lines that say what ran, where."""
    facts = machine()
    return [
        f"# Shared weights against {against(given)}\n",
        f"`{facts['command']}`, {facts['date']}, commit {facts['commit']}, {facts['processor']}, one thread.",
        f"{facts['versions']}\n",
        f"Space {name}, width {given.width}; {given.images:,} training images, {given.validation:,} to judge on. "
        f"Shared weights: {given.epochs} epochs, batch {given.batch}, learning rate {given.rate}, "
        f"momentum {given.momentum}. "
        f"{given.count} networks drawn at random.\n",
    ]


def against(given: argparse.Namespace) -> str:
    return "the published accuracies" if given.table else "the networks trained alone"


def rankings(
    given: argparse.Namespace, judged: Known, others: Sequence[Known], sizes: dict[str, tuple[float, float]]
) -> list[str]:
    """Returns the table of taus."""
    truth = list(truths(others).values())
    inherited = [one["accuracy"] for one in judged.values()]
    best = sorted(range(len(truth)), key=lambda index: -truth[index])[: max(2, round(BEST * len(truth)))]
    lines = [
        "| rankings | Kendall's tau | 95 % bootstrap interval | among the best fifth of the second |",
        "|---|---|---|---|",
        row(f"shared weights and {against(given)}", inherited, truth, best),
    ]
    for place, kind in enumerate(("parameters", "MACs")):
        lines.append(row(f"{kind} and {against(given)}", [sizes[key][place] for key in judged], truth, best))
    if len(others) > 1:
        first, second = ([one["accuracy"] for one in other.values()] for other in others[:2])
        lines.append(row("trained alone and again, with another seed", first, second, best))
        lines.append(row("shared weights and one training alone", inherited, first, best))
    return lines


def costs(given: argparse.Namespace, judged: Known, others: Sequence[Known], seconds: float) -> list[str]:
    """Returns the line of processor seconds."""
    judging, alone = (sum(one["seconds"] for one in side.values()) for side in (judged, others[0]))
    told = f"{seconds:.0f} to train the shared weights, {judging:.0f} to judge {len(judged)} networks"
    other = "" if given.table else f"; {alone:.0f} to train them alone once"
    return [f"\nProcessor seconds: {told} ({judging / len(judged):.2f} each){other}."]


def table(judged: Known, others: Sequence[Known], sizes: dict[str, tuple[float, float]]) -> list[str]:
    """Returns a row for every network, the best first."""
    lines = [
        "\n| network | inherited accuracy | accuracy of the other side | parameters | MMACs |",
        "|---|---|---|---|---|",
    ]
    for key, accuracy in sorted(truths(others).items(), key=lambda one: -one[1]):
        shown = f"{100 * judged[key]['accuracy']:.2f} | {100 * accuracy:.2f}"
        lines.append(f"| {key[:8]} | {shown} | {sizes[key][0]:,.0f} | {sizes[key][1] / 1e6:.2f} |")
    return lines


def row(label: str, first: Sequence[float], second: Sequence[float], best: Sequence[int]) -> str:
    """Returns a row of the table: tau, its interval over networks drawn with replacement, tau among the best."""
    tau = kendall(first, second)
    rng = random.Random(derive_seed(0, label))
    draws = []
    for _ in range(DRAWS):
        taken = rng.choices(range(len(first)), k=len(first))
        found = kendall([first[index] for index in taken], [second[index] for index in taken])
        draws += [] if found is None else [found]
    low, high = np.quantile(draws, [0.025, 0.975])
    among = kendall([first[index] for index in best], [second[index] for index in best])
    told = "none" if among is None else f"{among:.2f} ({len(best)} networks)"
    return f"| {label} | {tau or 0:.2f} | {low:.2f} to {high:.2f} | {told} |"


if __name__ == "__main__":
    main()
