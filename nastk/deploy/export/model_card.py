"""MODEL_CARD.md: what an export is, for whoever receives it (after Mitchell et al. 2019, arXiv:1810.03993)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nastk.deploy.export.card_text import code, table, text
from nastk.deploy.runtimes.machine import RUNTIMES
from nastk.outside import read_json
from nastk.stats.interval import wilson
from nastk.stats.steadiness import cause

CARD, PREDICT = "MODEL_CARD.md", "predict.py"
# What nastk.training leaves beside the weights.
RECORD, METRICS = "training.json", "metrics.json"
MOST_CLASSES = 50
NOT_TRUSTED = "not trustworthy"
# As their authors' pages had it in November 2026.
DATA_LICENCES = {
    "digits": "UCI Optdigits, CC BY 4.0 (https://archive.ics.uci.edu/dataset/80)",
    "fashion_mnist": "MIT (https://github.com/zalandoresearch/fashion-mnist)",
    "cifar10": "none stated by its authors (https://www.cs.toronto.edu/~kriz/cifar.html)",
    "cifar100": "none stated by its authors (https://www.cs.toronto.edu/~kriz/cifar.html)",
}


def model_card(manifest: Mapping[str, Any], transfer_folder: Path, licence: str | None) -> str:
    """Returns the card's Markdown.

    Args:
        manifest: the content of manifest.json.
        transfer_folder: of the trained network; what its training.json and metrics.json say is told where they are.
        licence: of the weights, None where nobody has decided.
    """
    how, classes = manifest["preprocessing"], manifest["classes"]
    shape = f"{how['channels']} x {how['height']} x {how['width']}"
    parts = [
        f"# Image classifier for {code(manifest['data']['name'])}",
        f"It names which of {len(classes)} classes an image shows. {_origin(manifest)}, its "
        f"files written by nastk {manifest['versions']['nastk']}. Input: {shape} pixels (channels, height, width). "
        f"{manifest['params']:,} parameters, {manifest['macs']:,} multiply-accumulates an image. "
        f"Genotype {code(manifest['key'])}.",
        *(f"**Over its budget:** {text(line)}." for line in (manifest.get("budget") or {}).get("broken", ())),
        f"Ship {code(manifest['recommended'])}: {text(manifest['reason'])}.{_decided(manifest)}",
        "## Files",
        *_files(manifest),
        "## How to run",
        *_how_to_run(manifest),
        "## Data",
        *_data(manifest),
        "## Recipe",
        *_recipe(manifest, transfer_folder),
        "## Limits",
        _limits(manifest),
        "## Licence",
        f"Weights: {text(licence)}." if licence else "Weights: not stated; whoever publishes them decides.",
        f"Data: {DATA_LICENCES.get(manifest['data']['name'], 'known to whoever trained the network')}.",
        "## Hashes",
        table(("file", "SHA-256"), [(code(name), code(one["sha256"])) for name, one in manifest["files"].items()]),
    ]
    return "\n\n".join(parts) + "\n"


def _decided(manifest: Mapping[str, Any]) -> str:
    """Returns by which images the file was chosen; "" in exports of before that was told."""
    images = manifest.get("decided_on")
    return f" Accuracy was compared on {text(images)}." if images else ""


def _origin(manifest: Mapping[str, Any]) -> str:
    """Returns where its architecture is from."""
    baseline = manifest.get("baseline")
    if not baseline:
        return "Its cells were found by architecture search"
    return f"Its architecture is not a search's but a baseline, {code(baseline)}, sized to the same budget"


def _files(manifest: Mapping[str, Any]) -> Iterator[str]:
    count = manifest["data"]["test_images"]
    rows = []
    for target, one in manifest["targets"].items():
        for precision, entry in one["precisions"].items():
            score = _unknown_or(entry["accuracy"], lambda share: _accuracy(share, count))
            agreement = _unknown_or(entry["agreement"], lambda share: f"{100 * share:.2f} %")
            timed = entry["latency_ms"]
            latency = [f"{timed[name]:.4g}" for name in ("p50", "p90", "p99")] if timed else ["not timed here"] * 3
            latency = [f"{cell} ({NOT_TRUSTED})" if timed and timed.get("doubt") else cell for cell in latency]
            size = f"{entry['size_bytes']:,}"
            rows.append((code(entry["file"]), text(target), precision, size, score, agreement, *latency))
    head = (
        "file",
        "target",
        "precision",
        "bytes",
        "accuracy (95 % interval)",
        "agreement",
        "p50 ms",
        "p90 ms",
        "p99 ms",
    )
    yield table(head, rows)
    yield (
        f"Accuracy and agreement (with the trained network in torch, same class named) on {count:,} test images; the "
        "interval is Wilson's and speaks of images drawn like these."
    )
    for name, target in manifest["targets"].items():
        timed = next((one["latency_ms"] for one in target["precisions"].values() if one["latency_ms"]), None)
        if timed is not None:
            where = _where(manifest, target, timed["threads"])
            yield f"{text(name)}: latency of a batch of {timed['batch']}, {where}."
        for one in target["precisions"].values():
            doubt = (one["latency_ms"] or {}).get("doubt")
            if doubt:
                yield f"The latency of {code(one['file'])} is {NOT_TRUSTED}: {text(doubt)}{cause(doubt)}."
        for said in dict.fromkeys(filter(None, (target.get(key) for key in ("not_run", "not_timed", "note")))):
            yield f"{text(said.removeprefix('target '))}."


def _where(manifest: Mapping[str, Any], target: Mapping[str, Any], threads: int) -> str:
    """Returns on what the files of a target were timed."""
    if target.get("run_by"):
        return text(" on ".join(filter(None, (target["run_by"], target.get("gpu")))))
    ran = {**manifest, **target.get("remote", {}), **(target.get("timed") or {})}
    machine = ran["machine"]
    processor = f"{threads} thread(s) of {text(machine['processor'] or machine['architecture'])}"
    runtime = "".join(
        f", {label} {text(ran['versions'][package])}"
        for package, label in RUNTIMES.items()
        if package in ran["versions"] and (package != "onnxruntime" or _onnx(target))
    )
    if target.get("openvino") and "openvino" not in ran["versions"]:
        runtime = f", {text(target['runtime'])}"
    return f"on {processor}, {text(machine['system'])}{runtime}"


def _onnx(target: Mapping[str, Any]) -> bool:
    """Returns whether its files are for ONNX Runtime; the version of that once stood in every target's entry."""
    return any(one["file"].endswith(".onnx") for one in target["precisions"].values())


def _how_to_run(manifest: Mapping[str, Any]) -> Iterator[str]:
    how = manifest["preprocessing"]
    if PREDICT in manifest["files"]:
        mine = ("openvino", "2025.4", "3.10") if _openvino(manifest) else ("onnxruntime", "1.17", "3.9")
        package, least, python = mine
        yield (
            f"```\npip install {package} numpy pillow\npython {PREDICT} photo.jpg folder\n```\n\n"
            f"{code(PREDICT)} runs with Python {python}, {package} {least}, numpy 1.24 and Pillow 9.4, and with "
            "later ones."
        )
    for name, target in manifest["targets"].items():
        for file, one in (target.get("openvino") or {}).get("files", {}).items():
            settings = ", ".join(f"{key}={value}" for key, value in one["settings"].items())
            yield (
                f"{text(name)}: accuracy and latency of {code(file)} are those of OpenVINO's CPU device, the input "
                f"reshaped to batches of {one['batch']}, compiled with {code(settings)}. It loads without them too, "
                "and then computes in what OpenVINO chooses for the processor."
            )
    yield (
        f"By hand: cut the central square, scale it to {how['height']} pixels a side (bilinear with antialiasing), "
        f"then {code(how['formula'])} with mean {how['mean']} and std {how['std']}; feed it as {code(how['input'])}, "
        f"{how['type']} {how['layout']}. The class is the largest logit; names are in {code('labels.json')}, in order."
    )


def _openvino(manifest: Mapping[str, Any]) -> bool:
    """Returns whether the file to ship is for OpenVINO."""
    return bool(manifest["targets"][manifest["target"]].get("openvino"))


def _data(manifest: Mapping[str, Any]) -> Iterator[str]:
    facts, classes = manifest["data"], manifest["classes"]
    counts = ", ".join(
        f"{facts[name]:,} {words}"
        for name, words in (
            ("train_images", "training images"),
            ("test_images", "test images"),
            ("skipped", "left out"),
        )
        if isinstance(facts.get(name), int) and (facts[name] or name != "skipped")
    )
    resizing = text(facts.get("resizing") or "none, images have their size")
    yield f"{code(facts['name'])}: {counts}. Resizing: {resizing}."
    more = f" and {len(classes) - MOST_CLASSES} more" if len(classes) > MOST_CLASSES else ""
    yield f"Classes: {', '.join(map(code, classes[:MOST_CLASSES]))}{more}."


def _recipe(manifest: Mapping[str, Any], folder: Path) -> Iterator[str]:
    metrics, record = (_stored(folder / name) for name in (METRICS, RECORD))
    known = [
        f"{metrics[name]:.4g} {words}"
        for name, words in (("epochs", "epochs"), ("seconds", "s"))
        if isinstance(metrics.get(name), int | float)
    ]
    if known:
        yield f"Trained for {' in '.join(known)}; the test images were scored once."
    settings = record.get("settings")
    if isinstance(settings, dict) and settings:
        yield f"Settings: {', '.join(code(f'{name}={value}') for name, value in settings.items())}."
    versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    calibrated = f"int8 ranges were taken from {manifest['calibration_images']:,} training images. " * _has_int8(
        manifest
    )
    yield f"{calibrated}{_int8_source(manifest)}Written with {versions}; commit {code(manifest['commit'])}."


def _int8_source(manifest: Mapping[str, Any]) -> str:
    """Returns what sets the int8 files apart from the float32 ones, beside their type."""
    found = manifest.get("int8") or {}
    parts = []
    if found.get("weights") == "fine_tuned":
        epochs = found["qat"]["epochs"]
        parts.append(f"int8 files have weights of their own, fine-tuned for int8 (QAT) for {epochs} more epochs. ")
    if found.get("keep_float"):
        parts.append(f"{len(found['keep_float'])} of their layers stay in float32. ")
    return "".join(parts)


def _stored(path: Path) -> dict[str, Any]:
    found = read_json(path) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _limits(manifest: Mapping[str, Any]) -> str:
    lines = [
        "It always names one of its classes, of an image that shows none of them too.",
        "Probabilities are the softmax of the logits; nobody has calibrated them.",
        "Accuracy was measured on images like those trained on; other cameras, crops and countries were not tried.",
        "Latency holds for the machines named above.",
        *(f"{warning}." for warning in manifest["warnings"]),
    ]
    return "\n".join(f"- {text(line)}" for line in lines)


def _accuracy(share: float, count: int) -> str:
    low, high = wilson(share, count)
    return f"{100 * share:.2f} % ({100 * low:.2f} to {100 * high:.2f})"


def _unknown_or(value: Any, spelled: Any) -> str:
    return "not run here" if value is None else str(spelled(value))


def _has_int8(manifest: Mapping[str, Any]) -> bool:
    return any("int8" in target["precisions"] for target in manifest["targets"].values())
