"""The bench's `answers=FILE`: a latency predictor from a few networks' latencies, measured by hand or by the target."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from nastk.checks import wrong
from nastk.deploy.cost.conditions import conditions_of
from nastk.deploy.cost.few import costs_by_term, fit_few, left_out_errors
from nastk.deploy.cost.learned import LearnedLatency, write_learned
from nastk.deploy.export.timings import timed_now
from nastk.deploy.runtimes.suspects import FileFailed
from nastk.deploy.targets import Target
from nastk.errors import UserError
from nastk.jobs.few_list import ANSWERS, LIST, FewList, answers_so_far, read_answers, read_list, write_answers
from nastk.jobs.learn import PREDICTOR
from nastk.networks import NetworkConfig
from nastk.objective import STEADY

LEFT_OUT = "left_out_error"


def measure_few(folder: Path, wanted: FewList, target: Target) -> tuple[dict[str, Any], dict[str, str]]:
    """Measures the networks of a list on the target, one after the other, and writes answers.csv.

    One that there is no memory for, or that fails twice, is told and left out. One that has its answer keeps it.

    Returns:
        facts of the device, and the version of what ran there, by package.

    Raises:
        UserError: the target cannot measure; what was measured until then is in answers.csv.
    """
    network = NetworkConfig.from_dict(dict(wanted.network))
    known = answers_so_far(folder / ANSWERS, wanted) if (folder / ANSWERS).exists() else {}
    latencies: dict[str, float | None] = {**dict.fromkeys(wanted.networks), **known}
    if known:
        print(f"bench: {len(known)} of {len(latencies)} were measured before", file=sys.stderr)
    unsteady = 0
    for number, (name, genotype) in enumerate(wanted.networks.items(), 1):
        if name in known:
            continue
        try:
            cost = target.cost(genotype, network.of(genotype))
        except (MemoryError, FileFailed) as error:
            print(f"warning: {name} is left out: {str(error) or 'no memory for it'}", file=sys.stderr)
            continue
        latencies[name] = cost["latency_ms"]
        unsteady += not cost.get(STEADY, 1.0)
        write_answers(folder / ANSWERS, latencies)
        print(f"bench: {number} of {len(latencies)}: {name} {latencies[name]:.4g} ms", file=sys.stderr)
    if unsteady:
        print(
            f"warning: {unsteady} of {len(latencies)} latencies were taken while the machine was busy", file=sys.stderr
        )
    timed = timed_now(target)
    facts = timed["machine"]
    conditions = conditions_of(target)
    name = f"{facts.get('processor')}, {target.name}, {conditions.get('precision')}"
    return {"name": name, **facts, **conditions}, timed["versions"]


def check_device(job: str, name: object) -> str:
    """Returns the name of what latencies are measured on; raises UserError where it is none, or not given."""
    if name is None:
        raise UserError(f"{job}: device is not given, expected what the latencies were measured on: device=NAME")
    if not isinstance(name, str) or not name.strip():
        raise wrong("device", name, "the name of what the latencies are measured on")
    return name


def run_answers(config: DictConfig) -> tuple[Path, LearnedLatency]:
    """Learns from the answers in a file beside the list; see `learn_answers`.

    Raises:
        UserError: no name of a device, or one of `read_list`'s, `read_answers`'s and `fit_few`'s.
    """
    name = check_device("answers", config.device)
    path = Path(config.answers)
    path = path / ANSWERS if path.is_dir() else path
    wanted = read_list(path.with_name(LIST))
    device = {"name": name, "precision": wanted.precision}
    return learn_answers(path, wanted, device, Path(config.out) if config.out else None)


def learn_answers(
    answers: Path,
    wanted: FewList,
    device: Mapping[str, Any],
    out: Path | None = None,
    versions: Mapping[str, str] | None = None,
) -> tuple[Path, LearnedLatency]:
    """Writes a predictor from a list and its answers, beside them where `out` is None.

    Returns:
        the path of the predictor, and the predictor.
    """
    found = read_answers(answers, wanted)
    missing = len(wanted.networks) - len(found)
    if missing:
        print(f"note: {answers}: {missing} of {len(wanted.networks)} networks have no latency_ms", file=sys.stderr)
    places = [place for place, name in enumerate(wanted.networks) if name in found]
    measured = [table.part(places) for table in wanted.measured]
    latencies = list(found.values())
    fit = fit_few(wanted.priors, measured, latencies)
    errors = left_out_errors(wanted.priors, measured, latencies)
    first = next(iter(wanted.networks.values()))
    predictor = LearnedLatency(
        skeleton=first.skeleton,
        reading=fit.reading,
        base_ms=float(fit.costs[0]),
        # The chosen networks are at the ends of the space; a candidate far below them is not to be believed.
        least_ms=min(latencies) / 2,
        costs_ms=costs_by_term(fit),
        pairs=len(found),
        device={**device, "library": list(wanted.library), LEFT_OUT: float(np.median(errors)) if errors else None},
        network=dict(wanted.network),
        versions=dict(versions or {}),
        date=time.strftime("%Y-%m-%d"),
    )
    path = answers.with_name(PREDICTOR) if out is None else out
    write_learned(path, predictor)
    return path, predictor


def as_text(path: Path, predictor: LearnedLatency) -> str:
    """Returns what a person wants to know of a predictor from a few networks, and how a search takes it."""
    costs = sorted(predictor.costs_ms.items(), key=lambda item: -abs(item[1]))[:10]
    error = predictor.device.get(LEFT_OUT)
    known = len(predictor.device["library"]) or "no"
    said = [] if error is None else [f"each foretold by the others: half of them within {error:.0%}"]
    return "\n".join(
        [
            f"{predictor.pairs} networks on {predictor.device['name']}, {known} known devices as a library:",
            *(f"  {cost:9.4f} ms  {term}" for term, cost in costs),
            *said,
            f"Predictor: {path}",
            f"Next: python -m nastk.search ... latency=learned latency.path={path}",
        ]
    )
