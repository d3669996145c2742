"""Shared weights on disk, without pickle: supernet.json, and the safetensors file that it names with its hash.

A training writes both, the file first under a name of its own, so that a kill at any moment leaves a whole state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from nastk.checks import is_number
from nastk.errors import UserError, shortened
from nastk.files import write_bytes, write_json
from nastk.networks.initial import unusable
from nastk.networks.stored import tensors_in
from nastk.outside import read_bytes, read_object
from nastk.supernet.facts import Facts
from nastk.supernet.train import Progress

SCHEMA = 1
RECORD = "supernet.json"
WEIGHT, STATE = "weight:", "state:"
STATES = 2  # tensors that an optimizer remembers of each weight at most, as AdamW does
HEADER = 2**24  # bytes of names and shapes at most


def save_shared(folder: Path, progress: Progress, facts: Facts, finished: bool) -> None:
    """Writes the state of a training; of one that is finished the weights alone.

    Args:
        folder: that is there.
        progress: the state.
        facts: of what space, data and recipe it is, as `load_shared` will compare them.
        finished: whether nothing is left to train.

    Raises:
        UserError: it cannot be written, or the disk is full; the state of before is whole then.
    """
    data = safetensors.torch.save(dict(_tensors(progress, finished)))
    name = f"epoch-{len(progress.losses)}.safetensors"
    record = {"weights": name, "sha256": hashlib.sha256(data).hexdigest(), "losses": progress.losses}
    write_bytes(folder / name, data)
    write_json(folder / RECORD, {"schema": SCHEMA, **record, "finished": finished, "facts": facts})
    for other in folder.glob("epoch-*.safetensors"):
        if other.name != name:
            other.unlink(missing_ok=True)


def load_shared(folder: Path, progress: Progress, facts: Facts) -> bool | None:
    """Takes up the state that `save_shared` wrote.

    Args:
        folder: where it did.
        progress: new; gets weights, the optimizer's memory and losses.
        facts: those that have to be the same; names that are not among them are not compared.

    Returns:
        whether it is finished; None where there is nothing.

    Raises:
        UserError: it is of something else, names what; or it is cut short or was changed.
    """
    path = folder / RECORD
    if not path.exists():
        return None
    record = read_object(path)
    losses, name = record.get("losses"), record.get("weights")
    whole = isinstance(losses, list) and all(map(is_number, losses)) and isinstance(record.get("facts"), dict)
    if record.get("schema") != SCHEMA or not whole or name != f"epoch-{len(losses or ())}.safetensors":
        raise UserError(f"{path}: expected the record of shared weights, schema {SCHEMA}; it is damaged")
    _check_same(folder, record["facts"], facts)
    limit = 4 * (1 + STATES) * sum(weight.numel() for weight in progress.shared.weights) + HEADER
    data = read_bytes(folder / str(name), limit)
    if hashlib.sha256(data).hexdigest() != record.get("sha256"):
        raise UserError(f"{folder / str(name)}: its SHA-256 is not the one in {RECORD}; it was changed or is cut short")
    _take(progress, tensors_in(data, folder / str(name)), folder / str(name))
    progress.losses.extend(map(float, losses or ()))
    return record.get("finished") is True


def _tensors(progress: Progress, finished: bool) -> Iterator[tuple[str, Tensor]]:
    shared = progress.shared
    for name, weight in zip(shared.names, shared.weights, strict=True):
        yield WEIGHT + name, weight.detach().cpu()
        for kind, value in {} if finished else progress.states.get(weight, {}).items():
            yield f"{STATE}{kind}:{name}", value.cpu()


@torch.no_grad()
def _take(progress: Progress, tensors: dict[str, Tensor], path: Path) -> None:
    bad = unusable(tensors)
    if bad:
        raise UserError(f"{path}: {bad} holds a number that is not finite")
    shared = progress.shared
    for name, weight in zip(shared.names, shared.weights, strict=True):
        found = tensors.pop(WEIGHT + name, None)
        if found is None or found.shape != weight.shape or found.dtype != weight.dtype:
            what = "lacks" if found is None else f"has another shape ({list(found.shape)}) of"
            raise UserError(f"{path}: {what} {name}, unlike the networks of this space")
        weight.copy_(found)
    by_name = dict(zip(shared.names, shared.weights, strict=True))
    for name, value in tensors.items():
        kind, _, of = name.removeprefix(STATE).partition(":")
        if not name.startswith(STATE) or of not in by_name or value.shape not in (by_name[of].shape, ()):
            raise UserError(f"{path}: has {name[:80]!r}, unlike the networks of this space")
        progress.states.setdefault(by_name[of], {})[kind] = value.to(by_name[of].device if value.ndim else "cpu")


def _check_same(folder: Path, there: Mapping[str, Any], here: Facts) -> None:
    for name, value in here.items():
        other = there.get(name)
        if other != value:
            raise UserError(
                f"{folder}: its shared weights are of another {name}: {shortened(other)} there, {shortened(value)} here"
            )
