"""In which precision a network of a transfer is trained: chosen once by timed steps, and kept beside the trainings."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from nastk.errors import UserError
from nastk.files import write_json
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.outside import read_object
from nastk.processor import processor_name
from nastk.training.precision import LEAST_STEPS, StepTimes, left_to_timing, step_times
from nastk.training.recipe import BF16, FP32
from nastk.training.transfer_settings import TransferSettings

SCHEMA = 1
DECISIONS = "precision.json"


def in_own_precision(
    recipe: TransferSettings, images: int, genotype: Genotype, network: NetworkConfig, place: Path
) -> TransferSettings:
    """Returns the recipe with the precision of a network, where timed steps are to choose it.

    All trainings of one network, size and batch beside each other, whatever their seed, have the same. Students of a
    teacher stay with fp32: that they are as accurate in bfloat16 was not measured.

    Args:
        recipe: how to train, batch and epochs chosen.
        images: that are trained on.
        genotype: the cells.
        network: its size.
        place: the training's folder; what was chosen is kept in the one that it is in.

    Raises:
        UserError: the record is damaged, or cannot be written.
    """
    steps = recipe.epochs * (images // recipe.batch)
    if steps < LEAST_STEPS or recipe.teacher is not None or not left_to_timing(recipe):
        return recipe
    path, name = place.parent / DECISIONS, _name(genotype, network, recipe)
    known = _read(path)
    if name not in known:
        times = step_times(genotype, network.of(genotype), recipe)
        if times is None:
            return recipe
        known[name] = _decision(genotype, network, recipe, times)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"schema": SCHEMA, "networks": known})
        told = (
            f"{genotype.key[:8]}: trained in {times.precision}, bf16 is {times.faster:.2f} times as fast as fp32 here"
        )
        print(f"transfer {told}", file=sys.stderr)
    return dataclasses.replace(recipe, precision=known[name]["precision"])


def _name(genotype: Genotype, network: NetworkConfig, recipe: TransferSettings) -> str:
    """Returns the hash of what a step's time follows from, on one machine."""
    facts = [genotype.key, network.to_dict(), recipe.batch, recipe.threads]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _decision(genotype: Genotype, network: NetworkConfig, recipe: TransferSettings, times: StepTimes) -> dict[str, Any]:
    return {
        "precision": times.precision,
        "fp32_ms": round(1000 * times.fp32, 3),
        "bf16_ms": round(1000 * times.bf16, 3),
        "key": genotype.key,
        "size": network.of(genotype).size,
        "batch": recipe.batch,
        "processor": processor_name(),
    }


def _read(path: Path) -> dict[str, Any]:
    """Returns what was chosen before, by the network's name."""
    known = read_object(path).get("networks") if path.exists() else {}
    entries = list(known.values()) if isinstance(known, dict) else [None]
    if not all(isinstance(one, dict) and one.get("precision") in (FP32, BF16) for one in entries):
        raise UserError(f"{path}: expected networks, each with precision fp32 or bf16; damaged, delete it to time anew")
    return dict(known)  # type: ignore[arg-type]  # `entries` were its values
