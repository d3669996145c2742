"""What an export says about the accuracy of int8: what was decided, on which images, and what else could be tried."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from nastk.deploy.export.timings import HELD_OUT

SHOWN = 5


def int8_lines(
    manifest: Mapping[str, Any], max_accuracy_drop: float, own_quantizers: Collection[str] = ()
) -> list[str]:
    """Returns lines to print, none where int8 needs no word.

    Args:
        manifest: of the export.
        max_accuracy_drop: that int8 may lose, as a share of the images.
        own_quantizers: names of the targets that have one, which knows of no layers to keep in float32.
    """
    found = manifest["int8"]
    lines = [] if found is None else _decided(found)
    others = [name for name in manifest["targets"] if name in own_quantizers]
    if found is not None and found["keep_float"] and others:
        lines.append(f"note: {' and '.join(others)} quantize by themselves, so their files have no layer in float32")
    drop, where = _drop(manifest)
    if drop > max_accuracy_drop:
        tried = found or {}
        options = [
            option
            for option, done in (
                ("export.qat.epochs=3 fine-tunes the network for it", tried.get("qat") is not None),
                ("export.sensitivity=true keeps the worst layers in float32", "sensitivity" in tried),
            )
            if not done
        ]
        if options:
            lines.append(f"int8 loses {100 * drop:.2f} points on the {where} images: {'; '.join(options)}")
    return lines


def _decided(found: Mapping[str, Any]) -> list[str]:
    whose = "held-out" if found["unseen"] else "of the transfer's"
    lines = [f"int8, on {found['images']} {whose} training images: float32 {found['float32']:.4f}, {_weights(found)}"]
    ranking = found.get("sensitivity")
    if ranking is not None:
        worst = ", ".join(f"{layer['where']} {_decibels(layer)}" for layer in ranking[:SHOWN])
        lines.append(f"int8 costs most in (logits against their error): {worst}; all {len(ranking)} in manifest.json")
        kept = found["keep_float"]
        if kept:
            lines.append(f"kept in float32: {len(kept)} of {len(ranking)} layers, int8 then has {found['int8']:.4f}")
        else:
            lines.append("kept in float32: no layer, int8 loses little enough")
    return lines


def _weights(found: Mapping[str, Any]) -> str:
    calibrated, tuned = found["calibrated"], found["fine_tuned"]
    if tuned is None:
        return f"int8 {calibrated:.4f}"
    scores = f"calibrated int8 {calibrated:.4f}, fine-tuned {tuned:.4f}"
    if found["weights"] == "fine_tuned":
        return f"{scores} ({100 * (tuned - calibrated):+.2f} points): the fine-tuned weights are in the int8 files"
    return f"{scores}: no gain, the int8 files have the weights of the transfer"


def _decibels(layer: Mapping[str, Any]) -> str:
    return "unchanged" if layer["sqnr_db"] is None else f"{layer['sqnr_db']:.1f} dB"


def _drop(manifest: Mapping[str, Any]) -> tuple[float, str]:
    """Returns by how much int8 is worse than float32, 0 where either was not run here, and on which images."""
    entries = manifest["precisions"]
    first, int8 = next(iter(entries.values())), entries.get("int8")
    if int8 is None or int8["accuracy"] is None or first["accuracy"] is None:
        return 0.0, "test"
    held_out = HELD_OUT in first and HELD_OUT in int8
    name = HELD_OUT if held_out else "accuracy"
    return float(first[name] - int8[name]), "held-out" if held_out else "test"
