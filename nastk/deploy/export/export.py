"""Export: from the folder of a trained network to checked, measured files that say all about themselves."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nastk.deploy.emittable import emittable
from nastk.deploy.export import standalone
from nastk.deploy.export.assess import EvaluatedFile
from nastk.deploy.export.conclusions import Budget, concluded
from nastk.deploy.export.evaluation import decided_on, evaluate_files, latencies_of
from nastk.deploy.export.export_folder import clear_left_over, existing, partial_folder, put_in_place
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.export.model_card import CARD, PREDICT, model_card
from nastk.deploy.export.renewal import Timed, renewed, stays
from nastk.deploy.export.timings import file_entry, timed_now
from nastk.deploy.images import ImageSource, LabelledImages, balanced, check_source, normalised
from nastk.deploy.manifest import LABELS, MANIFEST, SCHEMA, describe_files, sha256
from nastk.deploy.precision.calibration_cache import CALIBRATION, cached_ranges
from nastk.deploy.runtimes.machine import machine_facts, versions
from nastk.deploy.targets import CpuTarget, Target
from nastk.deploy.tuning.int8_source import HeldOut, Int8Wishes, int8_source
from nastk.deploy.tuning.tuned import TUNED
from nastk.files import write_bytes, write_json, write_text
from nastk.networks import count_macs, count_parameters
from nastk.networks.stored import GENOTYPE, NETWORK, WEIGHTS, Trained, load_trained
from nastk.progress import doing
from nastk.runs.bench import BENCH
from nastk.runs.folder import git_commit

RANKED = ("baseline", "standing")

# What a folder is filled from: network, data, settings, targets, names of files, what to try for int8, unseen images.
_Export = tuple[
    Trained, ImageSource, ExportSettings, Sequence[Target], Collection[str], Int8Wishes | None, LabelledImages | None
]


def export_model(
    transfer_folder: Path,
    out_folder: Path,
    data: ImageSource,
    settings: ExportSettings | None = None,
    targets: Sequence[Target] = (CpuTarget(),),
    tuned: Path | None = None,
    held_out: HeldOut | None = None,
    budget: Budget | None = None,
    standing: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes each target's files, labels.json, calibration.json, manifest.json, MODEL_CARD.md and predict.py.

    The folder appears whole or not at all. The files of one that is there already are kept where they are those of its
    manifest and were made of the same trained network with the same settings; they are timed again.

    Args:
        transfer_folder: model.safetensors, genotype.json and network.json, as `train_final` writes them.
        out_folder: of the export.
        data: what the network was trained on: calibrated on training images, scored on test images.
        settings: default `ExportSettings()`.
        targets: that files are written for, of different names; one of the first's files is recommended.
        tuned: folder of the same network fine-tuned for int8, for int8 files where its weights score better.
        held_out: images to decide that on, and if unseen which file ships; None for training and for test images.
        budget: what the network may cost.
        standing: what the manifest says of how it was ranked.

    Returns:
        The content of manifest.json.

    Raises:
        UserError: the trained network is missing or damaged, the data are not what it was trained on, a target cannot
            hold it, the folder holds something else than an export, or files of another target, or cannot be written.
        ParityError: a float32 file does not compute what the network does.
    """
    int8 = tuned, held_out
    added = dict(standing or {})
    return _exported(
        transfer_folder, out_folder, data, settings or ExportSettings(), targets, int8, budget or Budget(), added
    )


def _exported(
    transfer_folder: Path,
    out_folder: Path,
    data: ImageSource,
    settings: ExportSettings,
    targets: Sequence[Target],
    int8: tuple[Path | None, HeldOut | None],
    budget: Budget,
    added: Mapping[str, Any],
) -> dict[str, Any]:
    for target in targets:
        target.check()
    trained = load_trained(transfer_folder)
    check_source(data, trained.config, trained.facts["classes"])
    names = {LABELS, CALIBRATION, *(name for target in targets for name in (*target.files.values(), *target.extras))}
    names |= {PREDICT} if any(name.endswith(".onnx") for name in names) else set()
    source = _source(transfer_folder, settings, targets, int8[0], predict=PREDICT in names)
    clear_left_over(out_folder)
    # The card has no hash in the manifest: it is for people, who may add to it.
    manifest = existing(out_folder, source, {*names, CARD})
    if manifest is not None and stays(manifest, targets):
        kept = {name: value for name, value in manifest.items() if name not in RANKED} | dict(added)
        timed = {target.name: _timed(target, out_folder, settings.seconds) for target in targets}
        known = {name: one for name, one in timed.items() if one.latencies}
        return renewed(out_folder, kept, known, budget, transfer_folder)
    unseen = int8[1].images if int8[1] is not None and int8[1].unseen else None
    export = trained, data, settings, targets, names, _wishes(settings, data, *int8, targets[0]), unseen
    return _made(out_folder, transfer_folder, export, budget, {"source": source, **added})


def _wishes(
    settings: ExportSettings, data: ImageSource, tuned: Path | None, held_out: HeldOut | None, target: Target
) -> Int8Wishes | None:
    """Returns what to try for int8 beside calibrating, None for nothing."""
    if tuned is None and not settings.sensitivity:
        return None
    images = held_out or HeldOut(data.train(), unseen=False)
    return Int8Wishes(images, tuned, settings.sensitivity, settings.max_accuracy_drop, settings.method, target.scheme)


def _made(
    out_folder: Path, transfer_folder: Path, export: _Export, budget: Budget, added: Mapping[str, Any]
) -> dict[str, Any]:
    """Makes the folder anew and puts it in its place; returns the manifest, `added` in it."""
    settings = export[2]
    partial = partial_folder(out_folder)
    try:
        manifest = {**_fill(partial, out_folder / CALIBRATION, *export), **added}
        manifest = concluded(manifest, settings.max_accuracy_drop, budget)
        write_json(partial / MANIFEST, manifest)
        write_text(partial / CARD, model_card(manifest, transfer_folder, settings.licence))
        if (out_folder / BENCH).is_file():  # whose entries tell the hash of the file that they are of
            shutil.copy2(out_folder / BENCH, partial / BENCH)
        put_in_place(partial, out_folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _source(
    trained: Path, settings: ExportSettings, targets: Sequence[Target], tuned: Path | None, predict: bool
) -> dict[str, Any]:
    """Returns all that the files depend on, as the manifest has it: what an export is kept by, or made anew."""
    return {
        **describe_files(trained, (WEIGHTS, GENOTYPE, NETWORK)),
        "settings": asdict(settings),
        "tuned": tuned and describe_files(tuned, (WEIGHTS, TUNED)),
        "targets": json.loads(json.dumps({target.name: asdict(target) for target in targets})),  # type: ignore[call-overload]
        **({"predict": sha256(Path(standalone.__file__))} if predict else {}),
    }


def _fill(
    folder: Path,
    kept: Path,
    trained: Trained,
    data: ImageSource,
    settings: ExportSettings,
    targets: Sequence[Target],
    names: Collection[str],
    wishes: Int8Wishes | None,
    unseen: LabelledImages | None,
) -> dict[str, Any]:
    config, facts = trained.config, trained.facts
    mean, std = facts["normalisation"]["mean"], facts["normalisation"]["std"]
    calibration = normalised(balanced(data.train(), settings.calibration), mean, std)
    calibrate = functools.partial(cached_ranges, method=settings.method, kept=kept, out=folder / CALIBRATION)
    source = emittable(trained.network, config, trained.genotype.key, calibration, calibrate)
    source, int8 = (source, None) if wishes is None else int8_source(source, wishes, mean, std)
    for target in targets:
        with doing(f"writing the files for {target.name}"):
            target.emit(source, folder)
    evaluated, test_images = evaluate_files(targets, folder, trained, data, settings.seconds, unseen)
    write_json(folder / LABELS, {"schema": SCHEMA, "classes": facts["classes"]})
    if PREDICT in names:
        write_bytes(folder / PREDICT, Path(standalone.__file__).read_bytes())
    files = describe_files(folder, sorted(names))
    entries = {target.name: _target_entry(target, folder, evaluated[target.name], files) for target in targets}
    return {
        "schema": SCHEMA,
        "key": trained.genotype.key,
        "params": count_parameters(trained.network, auxiliary=False),
        "macs": count_macs(trained.network, config),
        "target": targets[0].name,
        "targets": entries,
        "int8": int8,
        "decided_on": decided_on(unseen),
        "calibration_images": len(calibration),
        "files": files,
        "preprocessing": _preprocessing(trained),
        "classes": facts["classes"],
        "data": {**facts["data"], "test_images": test_images},
        **{"versions": versions(), "commit": git_commit(), "machine": machine_facts()},
    }


def _preprocessing(trained: Trained) -> dict[str, Any]:
    """Returns what makes of an image what the network reads."""
    config, normal = trained.config, trained.facts["normalisation"]
    return {
        "input": "image",
        "layout": "NCHW",
        "type": "float32",
        "channels": config.channels,
        "height": config.height,
        "width": config.width,
        "mean": normal["mean"],
        "std": normal["std"],
        "formula": "(pixel / 255 - mean) / std",
        "resizing": trained.facts["data"].get("resizing"),
    }


def _target_entry(
    target: Target, folder: Path, evaluated: Sequence[EvaluatedFile], files: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "precisions": {one.precision: file_entry(one, files[one.file]["size_bytes"]) for one in evaluated},
        "not_run": target.cannot_run(),
        "not_timed": target.cannot_time(),
        "times_decide": target.times_decide,
        "extras": list(target.extras),
        "timed": timed_now(target) if any(one.latency for one in evaluated) else None,
        **target.facts(folder),
    }


def _timed(target: Target, folder: Path, seconds: float) -> Timed:
    latencies = latencies_of(target, folder, seconds)
    at = timed_now(target) if latencies else {}  # what is not timed here has no runtime here
    return Timed(latencies, at, target.times_decide)
