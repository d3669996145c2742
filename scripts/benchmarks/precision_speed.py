"""What bfloat16 gains on a CPU: steps of known networks, and the candidates of a short search."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from nastk.config.build import load_yaml
from nastk.errors import UserError
from nastk.files import write_json
from nastk.genotype.small import for_images
from nastk.jobs.transfer.baselines import named_network
from nastk.networks import NetworkConfig
from nastk.training.precision import step_times
from nastk.training.settings import TrainingSettings

SIDES = ("fp32", "auto")
SEARCH = [
    *("+space=mobile", "data=fashion_mnist", "data.subset=1600", "data.validation=1000", "trials=6", "seed=0"),
    *("controller=random", "at_budget=false", "target.seconds=0.02", "evaluator.device=cpu", "evaluator.threads=1"),
    *("evaluator.batch=32", "evaluator.epochs=4"),
]


class Timed(NamedTuple):
    """A network of conf/network whose steps are timed: times its width, for images of so many pixels a side."""

    name: str
    width: float
    size: int
    least: int  # pixels of the last map, a side


TIMED = (
    Timed("resnet18", 0.125, 32, 2),
    Timed("resnet18", 0.25, 32, 4),
    Timed("repvgg_a0", 0.25, 32, 4),
    Timed("mobilenet_v1", 0.25, 32, 4),
    Timed("mobilenet_v2", 0.5, 32, 4),
    Timed("mobilenet_v2", 0.5, 48, 2),
    Timed("mobilenet_v4_conv_small", 0.5, 48, 2),
)


def speed_lines(work: Path, batch: int = 64) -> list[str]:
    """Returns a table of images a second, timed now or before."""
    lines = ["\n## Steps\n", f"Images a second at batch {batch}, as `nastk.training.precision` times them.\n"]
    lines += [
        "| network, times its width | pixels | fp32 | bf16 | times as fast | taken |",
        "|---|---|---|---|---|---|",
    ]
    for one in TIMED:
        path = work / f"steps-{one.name}-{one.width:g}-{one.size}-{one.least}.json"
        if not path.exists():
            write_json(path, _timed(one, batch))
        found = json.loads(path.read_text())
        rates = " | ".join(f"{batch / found[side]:.0f}" for side in ("fp32", "bf16"))
        gain = found["fp32"] / found["bf16"]
        lines.append(f"| {one.name}, {one.width:g} | {one.size} | {rates} | {gain:.2f} | {found['taken']} |")
    return lines


def _timed(one: Timed, batch: int) -> dict[str, Any]:
    genotype = for_images(named_network(one.name), one.size, one.size, one.least)
    sizes = {"depth_multiplier": 1.0, "width_multiplier": one.width}
    network = NetworkConfig(sizes=sizes, classes=10, channels=3, size=one.size, drop_path=0.0)
    times = step_times(genotype, network, TrainingSettings(batch=batch, threads=1))
    assert times is not None, "small networks fit into memory"
    return {**times._asdict(), "taken": times.precision}


def search_lines(work: Path, data: Path) -> list[str]:
    """Returns a table of a search in fp32 and with `precision=auto`, of the same candidates, run now or before."""
    lines = [
        "\n## Candidates\n",
        f"`python -m nastk.search {' '.join(SEARCH)} evaluator.precision=...`, in processor time.\n",
    ]
    lines += ["| precision | candidates | seconds | an hour | mean accuracy | best |", "|---|---|---|---|---|---|"]
    for side in SIDES:
        path = work / f"search-{side}.json"
        if not path.exists():
            write_json(path, _searched(work / f"search-{side}", side, data))
        found = json.loads(path.read_text())
        scores, seconds = found["accuracies"], found["seconds"]
        lines.append(
            f"| {found['precision']} ({side}) | {len(scores)} | {seconds:.0f} | {3600 * len(scores) / seconds:.0f} | "
            f"{100 * sum(scores) / len(scores):.2f} | {100 * max(scores):.2f} |"
        )
    return lines


def _searched(run: Path, side: str, data: Path) -> dict[str, Any]:
    """Returns accuracies and processor time of the training of a whole search; what it measured first counts too."""
    words = [*SEARCH, f"data.root={data / 'fashion-mnist'}", f"evaluator.precision={side}", f"run={run}"]
    before = _processor_seconds()
    done = subprocess.run([sys.executable, "-m", "nastk.search", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"search: {done.stderr.strip().splitlines()[-1]}; remove {run} to begin anew")
    rows = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    accuracies = [row["metrics"]["accuracy"] for row in rows if row["state"] == "complete"]
    precision = str(load_yaml(run / "config.yaml").evaluator.precision)
    return {"accuracies": accuracies, "seconds": _processor_seconds() - before, "precision": precision}


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
