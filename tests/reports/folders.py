"""Run folders as a search, transfer and export leave them, with cells drawn at random and plausible numbers."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from nastk.genotype import Genotype
from nastk.objective import Objective
from nastk.runs.front import write_choice
from nastk.runs.trials import Row, write_rows
from nastk.spaces import NasnetSpace, Space, random_genotype

BUDGET = 1.2
CONFIG = """\
space: {_target_: nastk.spaces.NasnetSpace, blocks: 5}
controller: {_target_: nastk.controllers.PerTrial, sampler: %s}
objective: {_target_: nastk.objective.Objective, maximize: [accuracy], max_latency_ms: %s}
seed: %d
run: null
made_by: {nastk: 0.1.0, python: 3.12.3, torch: 2.13.0, machine: "Linux x86_64, 2 cores"}
"""


def rows(trials: int, seed: int = 0, space: Space | None = None) -> list[dict[str, Any]]:
    """Returns rows of trials.jsonl: most complete, some rejected, duplicate and failed."""
    rng = random.Random(seed)
    made: list[dict[str, Any]] = []
    for number in range(trials):
        genotype = random_genotype(space or NasnetSpace(), rng)
        latency = rng.uniform(0.35, 1.6)
        metrics = {"latency_ms": latency, "params": 20_000 + 60_000 * latency, "macs": 1e6 + 3e6 * latency}
        state, reason = "complete", ""
        if latency > BUDGET:
            state, reason = "rejected", f"latency_ms {latency:.4g} is over {BUDGET:.4g}"
        elif number % 11 == 7:
            state, reason = "failed", "the loss is not a number in epoch 2"
        elif number % 9 == 5:
            state, reason = "duplicate", "the same cell as trial 0"
        if state in ("complete", "duplicate"):
            metrics["accuracy"] = min(0.99, 0.9 + 0.05 * latency * rng.random() + 0.02 * rng.random())
        made.append(row(number, state, genotype, metrics, reason, 12.5))
    return made


def row(
    number: int, state: str, genotype: Genotype, metrics: dict[str, float], reason: str = "", seconds: float = 1.0
) -> dict[str, Any]:
    """Returns one row of trials.jsonl."""
    return {
        "schema": 1,
        "number": number,
        "state": state,
        "key": genotype.key,
        "genotype": genotype.to_dict(),
        "metrics": metrics,
        "seconds": seconds,
        "reason": reason,
    }


def write_run(
    folder: Path, made: list[dict[str, Any]], *, sampler: str = "optuna.samplers.RandomSampler", seed: int = 0
) -> Path:
    """Writes trials.jsonl, pareto.json, best.json and config.yaml."""
    folder.mkdir(parents=True)
    written = [Row(**{name: value for name, value in entry.items() if name != "schema"}) for entry in made]
    write_rows(folder, written)
    (folder / "config.yaml").write_text(CONFIG % (sampler, BUDGET, seed))
    timed = all("latency_ms" in entry.metrics for entry in written)
    write_choice(folder, written, Objective(minimize=("latency_ms",) if timed else ()))
    return folder


def write(path: Path, data: Any) -> None:
    """Writes JSON, and the folder it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def transfer(folder: Path, key: str, accuracy: float = 0.9812) -> None:
    """Adds a transferred network."""
    metrics = {"schema": 1, "accuracy": accuracy, "params": 412_345, "macs": 21_500_000, "epochs": 30, "seconds": 88.0}
    write(folder / "transfer" / key / "metrics.json", metrics)


def baseline(folder: Path, key: str, name: str) -> None:
    """Marks a transferred network as a baseline."""
    write(folder / "transfer" / key / "baseline.json", {"schema": 1, "baseline": name, "limits": {"max_params": 5e5}})


def ranking(folder: Path, *networks: dict[str, Any]) -> None:
    """Adds a ranking, the first network in front; each has a key and what is told of it beside plausible numbers."""
    usual = {"accuracy": 0.9, "params": 400_000, "latency_ms": 0.9}
    ranked = [
        {"rank": rank, **usual, "folder": f"transfer/{one['key']}", **one} for rank, one in enumerate(networks, start=1)
    ]
    write(folder / "transfer" / "ranking.json", {"schema": 1, "networks": ranked})


def audit(folder: Path, sentence: str, finished: bool = True) -> None:
    """Adds an audit of the trained cells, longer training ranking them the other way round; the last one failed."""
    trained = [entry for entry in map(json.loads, (folder / "trials.jsonl").open()) if entry["state"] == "complete"]
    trained.sort(key=lambda entry: -entry["metrics"]["accuracy"])
    cells = [
        {
            "number": entry["number"],
            "key": entry["key"],
            "rank": rank,
            "accuracy": entry["metrics"]["accuracy"],
            "longer": [{"accuracy": 0.95 + rank / 1000, "seconds": 40.0, "reason": ""}],
            "again": [{"accuracy": 0.9, "seconds": 10.0, "reason": ""}] * finished,
        }
        for rank, entry in enumerate(trained)
    ]
    cells[-1]["longer"] = [{"accuracy": None, "seconds": 3.0, "reason": sentence}]
    settings = {"cells": len(cells), "epochs": 16, "seeds": 1, "all_images": False, "noise": True}
    write(
        folder / "audit.json",
        {
            "schema": 1,
            "settings": settings,
            "epochs": 4,
            "candidates": len(cells),
            "cells": cells,
            "agreement": {"tau": -1.0, "low": -1.0, "high": -0.6, "same": 0, "pairs": 28} if finished else None,
            "noise": None,
            "sentence": sentence if finished else "",
            "finished": finished,
            "made_by": {sentence: sentence},
        },
    )


def export(folder: Path, key: str) -> None:
    """Adds an exported network, int8 recommended."""
    files = {
        "fp32": ("model.onnx", 1_690_000, 0.9812, 1.0, 0.912),
        "int8": ("model.int8.onnx", 498_000, 0.9789, 0.9951, 0.544),
    }
    precisions = {
        name: {
            "file": file,
            "size_bytes": size,
            "accuracy": accuracy,
            "agreement": agreement,
            "latency_ms": {"p50": p50, "p90": p50 * 1.1, "p99": p50 * 1.3, "runs": 300},
        }
        for name, (file, size, accuracy, agreement, p50) in files.items()
    }
    manifest = {"schema": 1, "precisions": precisions, "recommended": "model.int8.onnx", "warnings": []}
    write(folder / "export" / key / "manifest.json", manifest)
