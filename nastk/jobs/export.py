"""The export as a step: every trained network of a run, or the one of a folder, as checked files."""

from __future__ import annotations

import contextlib
import math
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nastk.config import load_yaml, settings
from nastk.deploy.package import ExportSettings, export_model
from nastk.errors import UserError
from nastk.jobs.parts import make_data, run_config
from nastk.networks.stored import WEIGHTS
from nastk.ranking import read_ranks
from nastk.runs import held


def run_export(config: DictConfig) -> list[Path]:
    """Exports the trained networks of `config.run`, or the one in `config.model`; returns the folders of the exports.

    Raises:
        UserError: nothing is trained there yet, or one of `export_model`'s.
    """
    how = export_plan(config)
    folders = []
    with contextlib.ExitStack() as stack:
        if config.model is not None:
            run, models = _run_of(Path(config.model)), [Path(config.model)]
        else:
            run, _ = run_config(config)
            ranks = read_ranks(run)
            models = sorted(
                (path.parent for path in run.glob(f"transfer/*/{WEIGHTS}")),
                key=lambda model: (ranks.get(model.name, math.inf), model.name),
            )
            stack.enter_context(held(run))
        if not models:
            raise UserError(f"{run}: has no trained network; python -m nastk.transfer run={run}")
        data = _data(config, run)
        for model in models:
            out = model.parent.parent / "export" / model.name
            manifest = export_model(model, out, data, how)
            _tell(model.name, manifest)
            folders.append(out)
    return folders


def export_plan(config: DictConfig) -> ExportSettings:
    """Returns how to export, every setting checked."""
    how: ExportSettings = settings(ExportSettings, config.export, "export.")
    return how


def _run_of(model: Path) -> Path | None:
    if not (model / WEIGHTS).is_file():
        raise UserError(f"model={str(model)!r}: no {WEIGHTS} there, expected a folder <run>/transfer/<key>")
    run = model.resolve().parent.parent
    return run if (run / "config.yaml").is_file() else None


def _data(config: DictConfig, run: Path | None) -> Any:
    if config.get("data") is not None:
        return make_data(config)
    if run is None:
        raise UserError("data: not given and the model lies in no run folder; give data=NAME as it was trained on")
    return make_data(load_yaml(run / "config.yaml"))


def _tell(key: str, manifest: dict[str, Any]) -> None:
    for precision, entry in manifest["precisions"].items():
        print(
            f"export {key[:8]}: {precision} accuracy {entry['accuracy']:.4f}, agreement {entry['agreement']:.4f}, "
            f"p50 {entry['latency_ms']['p50']:.3g} ms, {entry['size_bytes'] / 1024:.0f} KiB",
            file=sys.stderr,
        )
    for warning in manifest["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"ship {manifest['recommended']}: {manifest['reason']}", file=sys.stderr)
