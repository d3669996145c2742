"""The folder of a trained network, without pickle: model.safetensors, genotype.json and network.json."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from safetensors import SafetensorError

from nastk.checks import is_number
from nastk.errors import UserError
from nastk.files import write_bytes, write_json
from nastk.genotype import Genotype
from nastk.networks.build import build_network
from nastk.networks.config import NetworkConfig
from nastk.outside import read_bytes, read_json, read_object

SCHEMA = 1
MAX_BYTES = 2**32
WEIGHTS, GENOTYPE, NETWORK = "model.safetensors", "genotype.json", "network.json"


class Trained(NamedTuple):
    """What `load_trained` gives.

    Attributes:
        network: with its weights, in eval mode on the CPU.
        config: how it was built.
        genotype: its cells.
        facts: "normalisation" ({"mean", "std"}, a number a channel, for pixels in 0..1), "classes" (their names),
            "data" (the data source's "name" and more).
    """

    network: torch.nn.Module
    config: NetworkConfig
    genotype: Genotype
    facts: dict[str, Any]


def save_trained(
    folder: Path, network: torch.nn.Module, config: NetworkConfig, genotype: Genotype, facts: Mapping[str, Any]
) -> None:
    """Writes the three files, each at once; `facts` as in `Trained`. Raises UserError where it cannot be written."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    data = safetensors.torch.save(weights)
    write_bytes(folder / WEIGHTS, data)
    write_json(folder / GENOTYPE, genotype.to_dict())
    hashed = {"weights_sha256": hashlib.sha256(data).hexdigest()}
    write_json(folder / NETWORK, {"schema": SCHEMA, "config": config.to_dict(), **hashed, **facts})


def load_trained(folder: Path) -> Trained:
    """Reads what `save_trained` wrote.

    Raises:
        UserError: a file is missing, cut short or damaged, or the weights are not those of the network described, or
            their hash is not the one that network.json holds.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder, expected one with {WEIGHTS}, {GENOTYPE} and {NETWORK}")
    genotype = Genotype.from_dict(read_json(folder / GENOTYPE))
    facts = read_object(folder / NETWORK)
    if facts.pop("schema", None) != SCHEMA or "config" not in facts:
        raise UserError(f"{folder / NETWORK}: expected an object with schema {SCHEMA} and config")
    config = NetworkConfig.from_dict(facts.pop("config"))
    _check_facts(folder / NETWORK, facts, config)
    weights = _read_weights(folder / WEIGHTS, facts.pop("weights_sha256", None))
    with torch.device("meta"):  # no memory for a network that the weights do not fit
        expected = build_network(genotype, config).state_dict()
    _check_weights(folder / WEIGHTS, weights, expected)
    network = build_network(genotype, config)
    network.load_state_dict(weights)
    return Trained(network.eval(), config, genotype, facts)


def own_size(folder: Path) -> int:
    """Returns the image size that the genotype of a trained network chooses itself, pixels a side; 0 for none.

    Raises:
        UserError: the genotype is missing or damaged.
    """
    return int(Genotype.from_dict(read_json(folder / GENOTYPE)).own_network.get("size", 0))


def tensors_in(data: bytes, path: Path) -> dict[str, torch.Tensor]:
    """Returns the tensors of a safetensors file's content; raises UserError that names `path` where it is none."""
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{path}: not a safetensors file, or cut short ({error})") from None


def _read_weights(path: Path, digest: object) -> dict[str, torch.Tensor]:
    data = read_bytes(path, MAX_BYTES)
    if hashlib.sha256(data).hexdigest() != digest:
        raise UserError(f"{path}: its SHA-256 is not the one in {NETWORK}; the file was changed or is cut short")
    return tensors_in(data, path)


def _check_weights(path: Path, found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    for name in [*expected, *found]:
        if name not in found or name not in expected:
            what = "lacks" if name not in found else "has"
            raise UserError(f"{path}: {what} {name}, unlike the network of {GENOTYPE} and {NETWORK} beside it")
        if found[name].shape != expected[name].shape or found[name].dtype != expected[name].dtype:
            raise UserError(
                f"{path}: {name} is {_kind(found[name])}, expected {_kind(expected[name])} by {GENOTYPE} and {NETWORK}"
            )


def _kind(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _check_facts(path: Path, facts: Mapping[str, Any], config: NetworkConfig) -> None:
    normalisation = facts.get("normalisation")
    for name in ("mean", "std"):
        values = normalisation.get(name) if isinstance(normalisation, dict) else None
        if not isinstance(values, list) or len(values) != config.channels or not all(map(is_number, values)):
            raise UserError(f"{path}: normalisation.{name} is {values!r}, expected {config.channels} number(s)")
        if name == "std" and min(values) <= 0:
            raise UserError(f"{path}: normalisation.std is {values!r}, expected numbers above 0")
    classes = facts.get("classes")
    if (
        not isinstance(classes, list)
        or len(classes) != config.classes
        or not all(isinstance(name, str) for name in classes)
    ):
        raise UserError(f"{path}: classes is {str(classes)[:60]}, expected {config.classes} names")
    if not isinstance(facts.get("data"), dict):
        raise UserError(f"{path}: data is {facts.get('data')!r}, expected an object with the data's name")
