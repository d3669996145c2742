"""Reads the run folders of a sweep and sorts them into setups that may be compared, controllers and seeds."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nastk.errors import UserError
from nastk.outside import read_text
from nastk.reports.curves import Floats, best_so_far
from nastk.reports.run_config import controller_name, parse_config, run_seed
from nastk.runs.trials import TRIALS, read_trials

# What may differ between runs that are compared with each other.
FREE = frozenset({"controller", "seed", "run", "runs", "trials", "sweep", "made_by", "progress"})
LONGEST_VALUE = 40


@dataclass(frozen=True)
class SweptRun:
    """A run of a sweep: its settings by dotted name, and its best accuracy after 1, 2, ... trained candidates."""

    folder: Path
    settings: Mapping[str, Any]
    controller: str
    seed: int
    best: Floats


@dataclass(frozen=True)
class Setup:
    """Runs that differ in controller and seed only.

    Attributes:
        name: the settings that tell it from the sweep's other setups; empty where there is one.
        controllers: best-so-far curves by controller and seed, random first.
    """

    name: str
    controllers: Mapping[str, Mapping[int, Floats]]


def read_sweep(folder: Path, without: Collection[str] = ()) -> list[Setup]:
    """Reads all run folders below a folder; those without a trained candidate are an error, not a gap.

    Args:
        folder: of the sweep.
        without: names of run folders that are known not to have ended well.

    Raises:
        UserError: there is no run, a run has no seed or no result, or two runs have the same settings and seed.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    found = sorted({path.parent for pattern in ("*", "*/*") for path in folder.glob(f"{pattern}/{TRIALS}")})
    found = [path for path in found if path.name not in without]
    if not found:
        raise UserError(f"{folder}: no run folder in it (none has a trials.jsonl); expected the folder of a sweep")
    runs = [_read(path) for path in found]
    groups: dict[str, list[SweptRun]] = {}
    for run in runs:
        fixed = {name: value for name, value in run.settings.items() if name.split(".")[0] not in FREE}
        groups.setdefault(json.dumps(fixed, sort_keys=True, default=str), []).append(run)
    several = [group[0].settings for group in groups.values()]
    return [
        Setup(
            _differing(group[0].settings, several, lambda name: name.split(".")[0] not in FREE), _by_controller(group)
        )
        for group in groups.values()
    ]


def _read(folder: Path) -> SweptRun:
    path = folder / "config.yaml"
    try:
        text = read_text(path)
    except UserError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise UserError(f"{path}: cannot be read ({reason}); the controller and seed of the run are in it") from None
    config = parse_config(text, path)
    seed = run_seed(config)
    if seed is None:
        raise UserError(f"{path}: no seed, expected a whole number; runs are compared seed by seed")
    trials = read_trials(folder / TRIALS)
    values = [trial.accuracy for trial in trials if trial.accuracy is not None]
    if any(trial.score is not None for trial in trials):
        raise UserError(f"{folder}: its candidates were scored and not trained; runs are compared by their accuracy")
    if not values:
        raise UserError(f"{folder}: no candidate was trained yet; finish the sweep, or take the folder out of it")
    return SweptRun(folder, _flat(config), controller_name(config), seed, best_so_far(values))


def _by_controller(runs: Sequence[SweptRun]) -> dict[str, dict[int, Floats]]:
    """Two sets of settings of one controller are two controllers, told apart by what differs."""
    labels: dict[str, dict[int, SweptRun]] = {}
    for run in runs:
        same = [other.settings for other in runs if other.controller == run.controller]
        told = _differing(run.settings, same, lambda name: name.startswith("controller."))
        label = f"{run.controller} ({told})" if told else run.controller
        earlier = labels.setdefault(label, {}).setdefault(run.seed, run)
        if earlier is not run:
            raise UserError(f"{earlier.folder} and {run.folder}: both are {label} with seed {run.seed}; take one out")
    ordered = sorted(labels, key=lambda label: (label != "random", label))
    return {label: {seed: labels[label][seed].best for seed in sorted(labels[label])} for label in ordered}


def _differing(settings: Mapping[str, Any], all_settings: Sequence[Mapping[str, Any]], counts: Any) -> str:
    names = sorted({name for other in all_settings for name in other if counts(name)})
    told = []
    for name in names:
        if len({json.dumps(other.get(name), default=str) for other in all_settings}) > 1:
            value = str(settings.get(name))
            short = value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 3] + "..."
            told.append(f"{name.removeprefix('controller.')}={short}")
    return ", ".join(told)


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, Mapping):
        return {prefix[:-1]: node}
    return {name: value for key, part in node.items() for name, value in _flat(part, f"{prefix}{key}.").items()}
