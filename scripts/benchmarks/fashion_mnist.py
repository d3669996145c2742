"""Trains what a search found and networks made by hand by one recipe on all of Fashion-MNIST, and measures them.

All three families get the same latency limit: the searched cells are scaled by `nastk.transfer`'s rule, the hand-made
networks by their width, each to the largest that fits. Called by fashion_mnist.sh; a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from fashion_mnist_report import write_report
from fast_recipe import fast_recipe
from hand_made import HAND_MADE
from machine import machine
from torch import nn

from nastk.data.normalisation import statistics
from nastk.data.sources import FashionMnist
from nastk.deploy.onnx.writer import onnx_model, serialise, write_onnx
from nastk.deploy.runtimes.latency import quick_latency
from nastk.deploy.runtimes.session import open_session
from nastk.files import write_json
from nastk.networks import NetworkConfig, count_macs, count_parameters
from nastk.networks.stored import load_trained
from nastk.seeds import derive_seed
from nastk.training.averaging import AveragingClassifier
from nastk.training.batches import Batches, in_order
from nastk.training.device import choose_device, place
from nastk.training.fit import fit
from nastk.training.module import score
from nastk.training.seeds import isolated_rng, threads_set
from nastk.training.transfer import TransferSettings, train_final

FOUND = "searched (nastk)"
GREATEST_WIDTH = 128


class Job(NamedTuple):
    """One training: `network` is a family and its width, or FOUND and 0."""

    network: str
    width: int
    seed: int
    out: Path
    root: str
    epochs: int
    run: Path | None


def main() -> None:
    """Trains what is not trained yet, then measures and writes the report."""
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    families = [name for name in (*HAND_MADE, FOUND) if options.only is None or name in options.only]
    if FOUND in families and options.run is None:
        families.remove(FOUND)
    widths = {name: 0 if name == FOUND else fitting_width(name, options) for name in families}
    jobs = [
        Job(name, widths[name], seed, options.out, options.root, options.epochs, options.run)
        for seed in range(options.seeds)
        for name in families
    ]
    waiting = [job for job in jobs if not result_path(job).exists()]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, mp_context=context) as pool:
        for done in as_completed([pool.submit(train, job) for job in waiting]):
            print(done.result(), file=sys.stderr, flush=True)
    if options.report is not None:
        results = [
            json.loads(result_path(job).read_text()) | {"file": result_path(job).with_suffix(".onnx")} for job in jobs
        ]
        write_report(options, results, FOUND, machine())
        print(f"Report: {options.report}")


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, help="folder with Fashion-MNIST's four files")
    parser.add_argument("--run", type=Path, help="run folder of the search, transferred: its shape is taken")
    parser.add_argument("--out", type=Path, required=True, help="where trainings are kept")
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    parser.add_argument("--limit", type=float, default=0.3, help="milliseconds an image: fp32, batch 1, one thread")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="trainings at a time, one thread each")
    parser.add_argument("--command", default=" ".join(sys.argv), help="what the report names as its command")
    parser.add_argument("--only", nargs="*", help="families to train now")
    return parser.parse_args()


def result_path(job: Job) -> Path:
    """Returns where a training's numbers go."""
    name = "found" if job.network == FOUND else job.network.split()[0].lower()
    return job.out / f"{name}-{job.seed}.json"


def result_of(job: Job) -> dict[str, Any]:
    """Returns a training's numbers, and where its ONNX file is."""
    path = result_path(job)
    return json.loads(path.read_text()) | {"file": path.with_suffix(".onnx")}


def fitting_width(name: str, options: argparse.Namespace) -> int:
    """Returns the greatest even width of a hand-made family whose latency is within the limit; measured once."""
    path = options.out / "widths.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    if name not in known:
        low, high = 2, GREATEST_WIDTH
        while high - low > 2:
            middle = (low + high) // 4 * 2
            low, high = (middle, high) if latency(HAND_MADE[name](middle, 1, 10)) <= options.limit else (low, middle)
        known[name] = low
        write_json(path, known)
    width: int = known[name]
    return width


def latency(network: nn.Module) -> float:
    """Returns milliseconds an image, as a search measures a candidate: the least of three measurements."""
    file = serialise(onnx_model(network.eval(), (1, 1, 28, 28)))
    image = np.random.default_rng(0).standard_normal((1, 1, 28, 28), dtype=np.float32)
    return min(quick_latency(open_session(file, 1), image, seconds=0.3) for _ in range(3))


def train(job: Job) -> str:
    """Trains one network on all 60,000 images, tests it, and writes its ONNX file and its numbers."""
    data = FashionMnist(root=job.root)
    given = {"epochs": job.epochs, "threads": 1, "device": "cpu", "seed": job.seed}
    settings = fast_recipe(len(data.train()), data.size, **given)
    start = time.perf_counter()
    network, facts = (train_found if job.network == FOUND else train_hand_made)(job, data, settings)
    path = result_path(job)
    write_onnx(network, path.with_suffix(".onnx"), (1, 1, data.size, data.size))
    numbers = {
        "network": job.network,
        "width": job.width,
        "seed": job.seed,
        "epochs": job.epochs,
        **facts,
        "params": count_parameters(network, auxiliary=False),
        "macs": count_macs(network, NetworkConfig(channels=1, size=data.size)),
        "settings": asdict(settings),
        "seconds": time.perf_counter() - start,
        "commit": machine()["commit"],
    }
    write_json(path, numbers)
    return f"{job.network} width {job.width} seed {job.seed}: test accuracy {facts['accuracy']:.4f}"


def train_hand_made(job: Job, data: FashionMnist, settings: TransferSettings) -> tuple[nn.Module, dict[str, Any]]:
    """Trains as `train_final` does, in its parts, for it takes cells only."""
    images, device = data.train(), choose_device("cpu")
    normalisation = statistics(images)
    seed = derive_seed(job.seed, job.network, "benchmark")
    with threads_set(1, data.size), isolated_rng(seed, device):
        network = HAND_MADE[job.network](job.width, 1, 10)
        place(network, device)
        augmentation = settings.augmentation(data.crop, data.flip)
        batches = Batches(
            images, normalisation, batch=settings.batch, augmentation=augmentation, seed=seed, device=device
        )
        module = AveragingClassifier(
            network, batches, settings, seed=seed, after_epoch=lambda epoch, loss: None, average=settings.average
        )
        fit(module, device)
        result = module.result.eval()
        accuracy, loss = score(result, in_order(data.test(), normalisation, device))
    statistic = {"mean": list(normalisation.mean), "std": list(normalisation.std)}
    return result, {"accuracy": accuracy, "loss": loss, "normalisation": statistic}


def train_found(job: Job, data: FashionMnist, settings: TransferSettings) -> tuple[nn.Module, dict[str, Any]]:
    """Trains the search's best cells in the shape that `nastk.transfer` chose; its own training is that of seed 0."""
    assert job.run is not None
    transferred = next(path.parent for path in sorted(job.run.glob("transfer/*/network.json")))
    chosen = load_trained(transferred)
    folder = transferred if job.seed == 0 else job.out / f"found-{job.seed}"
    metrics = train_final(chosen.genotype, chosen.config, data, settings, folder)
    trained = load_trained(folder)
    facts = {"accuracy": metrics["accuracy"], "loss": metrics["loss"], "shape": chosen.config.to_dict()}
    return trained.network, {**facts, "key": chosen.genotype.key, "normalisation": trained.facts["normalisation"]}


if __name__ == "__main__":
    main()
