"""The export as a step: every trained network of a run, or the one of a folder, as checked files."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nastk.config.build import build, plain, settings
from nastk.data.sized import data_at
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.export.renewal import card_note
from nastk.deploy.export.timings import timed_now
from nastk.deploy.manifest import load_manifest
from nastk.deploy.targets import Target
from nastk.deploy.tuning.int8_source import HeldOut
from nastk.errors import UserError
from nastk.jobs.bench_record import refresh_bench
from nastk.jobs.export_backbones import check_features, export_backbones
from nastk.jobs.export_targets import also_targets, earlier_targets, export_targets
from nastk.jobs.given import run_settings
from nastk.jobs.held_out import held_out_images, unseen_images
from nastk.jobs.int8_lines import int8_lines
from nastk.jobs.network_budget import network_budget
from nastk.jobs.parts import make_data, run_config
from nastk.jobs.qat import QatSettings, fine_tuned
from nastk.jobs.qat_needed import settled
from nastk.jobs.shipping import decided
from nastk.jobs.teacher import tuning_teacher
from nastk.networks.stored import WEIGHTS, own_size
from nastk.runs.baselines import read_baseline, read_baselines
from nastk.runs.failed import read_failure
from nastk.runs.folder import held
from nastk.runs.ranking import Ranked, read_ranking, read_ranks, standing
from nastk.runs.refit import refit_place, to_export
from nastk.runs.shipping import Shipping
from nastk.runs.steps import timed_step
from nastk.stats.steadiness import untrusted


def run_export(config: DictConfig) -> list[Path]:
    """Exports the trained networks of `config.run`, or the one in `config.model`; returns the folders of the exports.

    Raises:
        UserError: nothing is trained there yet, or one of `export_model`'s.
    """
    how, qat = export_plan(config), qat_plan(config)
    as_backbone = check_features(config)
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
        if not models:
            raise UserError(f"{run}: has no trained network; python -m nastk.transfer run={run}")
        if run is not None:
            stack.enter_context(held(run))
            stack.enter_context(timed_step(run, "export"))
        data = _data(config, run)
        if as_backbone:
            return export_backbones([to_export(model) for model in models], data, how)
        targets = export_targets(config, run)
        done = {model.name: _export(config, run, model, data, targets, how, qat) for model in models}
        if run is None:
            return _shipped(done, None)
        return _shipped(done, decided(run, targets[0], how.seconds, config.get("max_model_kb")))


def _shipped(done: Mapping[str, Path], shipping: Shipping | None) -> list[Path]:
    """Says which network ships and of which file; returns the folders of the exports, that one's first.

    Args:
        done: folders of the exports by key, in the order of the ranking.
        shipping: what was decided; None where nothing had to be.
    """
    order = [one.key for one in shipping.networks] if shipping is not None else []
    keys = sorted(done, key=lambda key: order.index(key) if key in order else len(order))
    for key in keys:
        manifest = load_manifest(done[key], verify=False)
        baseline = manifest.get("baseline")
        of = (
            f" of the baseline {baseline} ({key[:8]})"
            if baseline
            else f" of {key[:8]}"
            if len(order) > 1 or "standing" in manifest
            else ""
        )
        word = "ship" if not order or order[0] == key else "best file, not shipped:"
        print(f"{word} {manifest['recommended']}{of}: {manifest['reason']}", file=sys.stderr)
    if shipping is not None and shipping.why:
        print(f"ship: {shipping.why}", file=sys.stderr)
    return [done[key] for key in keys]


def _export(
    config: DictConfig,
    run: Path | None,
    model: Path,
    data: Any,
    targets: Sequence[Target],
    how: ExportSettings,
    qat: QatSettings,
) -> Path:
    out = model.parent.parent / "export" / model.name
    weights = to_export(model)
    if weights == model and refit_place(model).exists() and read_failure(refit_place(model)) is None:
        print(
            f"note: {refit_place(model)}: the training on all images is not done; exported as it was ranked. "
            "The transfer, called again, goes on with it",
            file=sys.stderr,
        )
    data = data_at(data, own_size(weights))
    targets = [*targets, *earlier_targets(out, [target.name for target in targets])]
    tuned: Path | None = None
    held_out: HeldOut | None = None
    qat = settled(qat, run, model, data, how, targets[0].scheme)  # by images that it has not seen
    if qat.epochs or how.sensitivity:
        train, held_out = held_out_images(weights, data)
        tuned = fine_tuned(weights, data, train, how, qat, targets[0].scheme) if qat.epochs else None
    else:
        held_out = unseen_images(weights, data)
    budget, begin = network_budget(model, run), timed_now()["at"]
    ranking = read_ranking(run) if run is not None and read_baselines(run) else []
    manifest = export_model(weights, out, data, how, targets, tuned, held_out, budget, _standing(model, ranking))
    _tell(model.name, manifest)
    for line in kept_timings(manifest, begin):
        print(f"export {model.name[:8]}: {line}", file=sys.stderr)
    own = [target.name for target in targets if target.quantizer]
    for line in int8_lines(manifest, how.max_accuracy_drop, own):
        print(line, file=sys.stderr)
    note = card_note(out, manifest)
    if note is not None:
        print(f"note: {note}", file=sys.stderr)
    if run is not None:
        refresh_bench(run, out, manifest)
    return out


def _standing(model: Path, ranking: Sequence[Ranked]) -> dict[str, Any]:
    """Returns what the manifest says of a network's rank among baselines and of its being one; empty without any."""
    record, told = read_baseline(model), standing(ranking, model.name)
    return ({"baseline": record.name} if record else {}) | ({"standing": told} if told else {})


def export_plan(config: DictConfig) -> ExportSettings:
    """Returns how to export, every setting checked, the targets' and the fine-tuning's too."""
    qat_plan(config)
    for target in also_targets(config):
        target.check()
    if config.get("target") is not None:
        build(config.target, "target", Target).check()
    how: ExportSettings = settings(ExportSettings, config.export, "export.")
    return how


def qat_plan(config: DictConfig) -> QatSettings:
    """Returns how to fine-tune for int8, every setting checked."""
    node = plain(config.export).get("qat") or {}
    if not isinstance(node, dict):
        raise UserError(f"export.qat={node!r}, expected settings of its own, such as export.qat.epochs=3")
    how: QatSettings = settings(QatSettings, node, "export.qat.")
    if how.epochs and how.teacher is not None and config.get("data") is not None:
        tuning_teacher(how.teacher, make_data(config), None)
    return how


def _run_of(model: Path) -> Path | None:
    if not (model / WEIGHTS).is_file():
        raise UserError(f"model={str(model)!r}: no {WEIGHTS} there, expected a folder <run>/transfer/<key>")
    run = model.resolve().parent.parent
    return run if (run / "config.yaml").is_file() else None


def _data(config: DictConfig, run: Path | None) -> Any:
    if run is not None:
        return make_data(run_settings(run, config))
    if config.get("data") is None:
        raise UserError("data: not given and the model lies in no run folder; give data=NAME as it was trained on")
    return make_data(config)


def _tell(key: str, manifest: dict[str, Any]) -> None:
    """Says what was found of the files of a network, and what to beware of."""
    for name, target in manifest["targets"].items():
        for precision, entry in target["precisions"].items():
            print(f"export {key[:8]}: {name} {precision} {_found(entry)}", file=sys.stderr)
        if "summary" in target.get("int8", {}):
            print(f"export {key[:8]}: {name} {target['int8']['summary']}", file=sys.stderr)
        for missing in dict.fromkeys(filter(None, (target["not_run"], target["not_timed"], target.get("note")))):
            print(f"note: {missing}", file=sys.stderr)
    for warning in manifest["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)


def kept_timings(manifest: Mapping[str, Any], begin: str) -> list[str]:
    """Returns a line for each target whose latencies are of before `begin`, for newer ones are in doubt or missing."""
    at = {name: (target.get("timed") or {}).get("at") for name, target in manifest["targets"].items()}
    return [
        f"{name}: its latencies are those of {when}; taken now they are in doubt, or cannot be taken here"
        for name, when in at.items()
        if when is not None and when < begin
    ]


def _found(entry: dict[str, Any]) -> str:
    """Returns what is known of a file, in words."""
    known = []
    if entry["accuracy"] is not None:
        known.append(f"accuracy {entry['accuracy']:.4f}, agreement {entry['agreement']:.4f}")
    if entry["latency_ms"] is not None:
        doubt = entry["latency_ms"].get("doubt")
        known.append(f"p50 {entry['latency_ms']['p50']:.3g} ms{f' ({untrusted(doubt)})' if doubt else ''}")
    return ", ".join([*known, f"{entry['size_bytes'] / 1024:.0f} KiB", entry["file"]])
