"""Reads what a run folder holds; everything but trials.jsonl may be missing, and nothing may be malformed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nastk.errors import UserError
from nastk.outside import read_text
from nastk.runs.audit import Audit, read_audit
from nastk.runs.baselines import read_baselines
from nastk.runs.bench import Bench, read_bench
from nastk.runs.candidate import Candidate
from nastk.runs.front import read_best, read_front
from nastk.runs.full_size import read_full_sizes
from nastk.runs.pruned import read_prunings
from nastk.runs.refit import METRICS, REFIT
from nastk.runs.schema import Object, read_object
from nastk.runs.trials import TRIALS, TrialRow, read_trials


@dataclass(frozen=True)
class Run:
    """A run folder's content; see `nastk.reports.run_config` for `config`.

    Attributes:
        folder: where it lies.
        trials: all finished trials in order.
        front: the Pareto front, the best first.
        best: the chosen candidate.
        transfers: metrics.json of each transferred network, by key.
        exports: manifest.json of each exported network, by key.
        bench: bench.json.
        audit: audit.json.
        config_text: config.yaml as it is written.
        baselines: names of the transferred networks that are baselines, by key.
        narrowed: key of the candidate that each narrowed network was cut out of, by its own key.
        grown: key of the candidate that each network is whose stages were grown to the limits, by its own key.
        refits: metrics.json of each network that was trained once more on all images, by key.
    """

    folder: Path
    trials: tuple[TrialRow, ...]
    front: tuple[Candidate, ...]
    best: Candidate | None
    transfers: Mapping[str, Object]
    exports: Mapping[str, Object]
    bench: Bench | None
    audit: Audit | None
    config_text: str | None
    baselines: Mapping[str, str] = field(default_factory=dict)
    narrowed: Mapping[str, str] = field(default_factory=dict)
    grown: Mapping[str, str] = field(default_factory=dict)
    refits: Mapping[str, Object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    def candidate_of(self, key: str) -> str:
        """Returns the key of the candidate that a transferred network was made of, its own where it was not changed."""
        return self.narrowed.get(key) or self.grown.get(key, key)

    @property
    def trained(self) -> tuple[TrialRow, ...]:
        """Trials that trained a candidate to a result, or scored one where nothing was trained."""
        return tuple(trial for trial in self.trials if trial.accuracy is not None or trial.score is not None)


def read_run(folder: Path) -> Run:
    """Reads a run folder.

    Raises:
        UserError: the folder or trials.jsonl is missing, or a file is malformed; names file and line or field.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such run folder")
    config = folder / "config.yaml"
    return Run(
        folder=folder,
        trials=read_trials(folder / TRIALS),
        front=read_front(folder),
        best=read_best(folder),
        transfers=_by_key(folder / "transfer", METRICS),
        exports=_by_key(folder / "export", "manifest.json"),
        bench=read_bench(folder),
        audit=read_audit(folder),
        config_text=read_text(config) if config.exists() else None,
        baselines=read_baselines(folder),
        narrowed={key: record.of for key, record in read_prunings(folder).items() if record.of != key},
        grown={key: record.of for key, record in read_full_sizes(folder).items() if record.of != key},
        refits=_by_key(folder / REFIT, METRICS),
    )


def _by_key(folder: Path, name: str) -> dict[str, Object]:
    """A folder whose name starts with a dot is one that is being made, or was when its process was killed."""
    paths = [path for path in sorted(folder.glob(f"*/{name}")) if not path.parent.name.startswith(".")]
    return {path.parent.name: read_object(path) for path in paths}
