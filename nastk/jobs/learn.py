"""The bench's `learn=PAIRS`: a latency predictor from cells whose latency was measured on a device."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from nastk.checks import is_number
from nastk.deploy.cost.learned import LearnedLatency, learn_latency, write_learned
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.jobs.parts import make_evaluator, run_config
from nastk.outside import json_lines, shortened
from nastk.runs.latency_record import latencies_are_of
from nastk.runs.trials import TRIALS

PREDICTOR = "latency-predictor.json"


def run_learning(config: DictConfig) -> tuple[Path, LearnedLatency]:
    """Learns from the lines of a file; with `run`, the predictor holds for networks of that run's size alone.

    A line is a JSON object with `genotype` and `latency_ms`, or a row of a run's trials.jsonl, whose metrics have it.

    Returns:
        the path of the predictor, and the predictor.

    Raises:
        UserError: no name of a device, a line that is not of that form, or too few.
    """
    if not isinstance(config.device, str) or not config.device.strip():
        raise UserError("learn: device is not given, expected what the latencies were measured on: device=NAME")
    source = Path(config.learn)
    genotypes, latencies = _pairs(source)
    network = None
    if config.run is not None:
        _, searched = run_config(config)
        known = make_evaluator(searched).network_config
        network = None if known is None else known.to_dict()
    # A run's own trials have beside them what their latencies are of; other pairs may be of any device.
    facts, versions = latencies_are_of(source.parent) if source.name == TRIALS else ({}, {})
    device = {**facts, "name": config.device, "pairs": source.name}
    predictor = learn_latency(genotypes, latencies, device, network, versions)
    path = Path(config.out) if config.out else source.with_name(PREDICTOR)
    write_learned(path, predictor)
    return path, predictor


def as_text(predictor: LearnedLatency) -> str:
    """Returns what a person wants to know of a predictor."""
    runs = {
        "every": "every operation",
        "needed": "what the output needs",
        "kept": "what the output needs, and operations that are alone in their sum",
        "apart": "operations at different cost by what becomes of them",
    }
    costs = sorted(predictor.costs_ms.items(), key=lambda item: -abs(item[1]))[:10]
    return "\n".join(
        [
            f"{predictor.pairs} cells on {predictor.device['name']}; it was found to run {runs[predictor.reading]}:",
            *(f"  {cost:9.4f} ms  {term}" for term, cost in costs),
        ]
    )


def _pairs(path: Path) -> tuple[list[Genotype], list[float]]:
    try:
        lines = list(json_lines(path))
    except UserError as error:
        raise UserError(f"learn={str(path)!r}: cannot be read ({error})") from None
    genotypes, latencies = [], []
    for number, row in lines:
        try:
            latency = row["latency_ms"] if "latency_ms" in row else (row["metrics"] or {}).get("latency_ms")
            stored = row["genotype"]
        except (KeyError, TypeError, AttributeError):
            raise UserError(f"{path}: line {number} has no genotype and latency_ms, expected both as JSON") from None
        if latency is None or stored is None:
            continue  # a trial that was not measured
        if not is_number(latency):
            raise UserError(f"{path}: line {number} has latency_ms={shortened(latency)}, expected milliseconds")
        genotypes.append(Genotype.from_dict(stored))
        latencies.append(float(latency))
    return genotypes, latencies
