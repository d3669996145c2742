"""Weights that a training begins with: a file, known by its hash, so that what goes on goes on from the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.networks.initial import Fit, fitting, unusable
from nastk.networks.pretrained import PREFIX, read_pretrained
from nastk.networks.stored import GENOTYPE, MAX_BYTES, NETWORK, WEIGHTS, tensors_in
from nastk.outside import as_object, read_bytes, read_json, read_object

PICKLED = (".pth", ".pt", ".bin", ".ckpt", ".tar", ".pkl")


@dataclass(frozen=True)
class Initial:
    """A file of weights.

    Attributes:
        path: a safetensors file, the folder of a trained network, or a name of `pretrained_name`.
        sha256: of the file, so that a training which is resumed begins with the same.
    """

    path: str
    sha256: str


class Weights(NamedTuple):
    """What `read_weights` gives; genotype and config are those of a trained network's folder, None for a file."""

    initial: Initial
    tensors: Mapping[str, Tensor]
    genotype: Genotype | None = None
    config: NetworkConfig | None = None


def read_weights(path: Path) -> Weights:
    """Reads a safetensors file, the weights in the folder of a trained network, or those that a package has.

    Args:
        path: of file or folder, or a name of `pretrained_name`.

    Raises:
        UserError: it is missing, damaged, pickled or no such file, or holds a number that is not finite.
    """
    if str(path).startswith(PREFIX):
        digest, tensors = read_pretrained(str(path))
        return Weights(Initial(str(path), digest), tensors)
    if path.suffix.lower() in PICKLED:
        raise UserError(
            f"{path}: a pickled file, which can run code; expected .safetensors. Convert it once where you trust it: "
            f'import torch, safetensors.torch as s; s.save_file(torch.load("{path.name}", weights_only=True), '
            f'"{path.stem}.safetensors")'
        )
    file, stated, genotype, config = _of_folder(path) if path.is_dir() else (path, None, None, None)
    data = read_bytes(file, MAX_BYTES)
    found = hashlib.sha256(data).hexdigest()
    if genotype is not None and found != stated:
        raise UserError(f"{file}: its SHA-256 is not the one in {NETWORK}; the file was changed or is cut short")
    tensors = tensors_in(data, file)
    broken = unusable(tensors)
    if broken:
        raise UserError(f"{file}: {broken} holds a number that is not finite")
    return Weights(Initial(str(path), found), tensors, genotype, config)


def _of_folder(path: Path) -> tuple[Path, object, Genotype, NetworkConfig]:
    """Returns the file of weights in a trained network's folder, its hash there, and of which network it is."""
    if not (path / WEIGHTS).is_file():
        raise UserError(f"{path}: has no {WEIGHTS}, expected a folder as RUN/transfer/KEY, or a .safetensors file")
    facts = read_object(path / NETWORK)
    config = NetworkConfig.from_dict(as_object(facts.get("config"), f"{path / NETWORK}: config"))
    return path / WEIGHTS, facts.get("weights_sha256"), Genotype.from_dict(read_json(path / GENOTYPE)), config


def begin_with(initial: Initial, network: nn.Module, channels: int) -> Fit:
    """Puts what fits of a file into a network, the rest left as it is drawn; returns what fits.

    Raises:
        UserError: the file is not the one that it was, or is not of this network.
    """
    weights = read_weights(Path(initial.path))
    if weights.initial.sha256 != initial.sha256:
        raise UserError(f"{initial.path}: is not the file that it was when the transfer began (its SHA-256 differs)")
    fit = fitting(weights.tensors, network, channels)
    if not fit.enough:
        raise UserError(f"{initial.path}: does not fit: {fit.told}")
    network.load_state_dict({**network.state_dict(), **fit.taken})
    return fit


def initial_node(initial: Initial | None) -> dict[str, Any] | None:
    """Returns it as JSON has it."""
    return None if initial is None else {"path": initial.path, "sha256": initial.sha256}


def initial_of(node: Any, where: str) -> Initial | None:
    """Returns what `initial_node` gave; raises UserError where that is damaged."""
    if node is None:
        return None
    if (
        not isinstance(node, dict)
        or node.keys() != {"path", "sha256"}
        or not all(isinstance(v, str) for v in node.values())
    ):
        raise UserError(f"{where}: initial is {str(node)[:60]}, expected path and sha256")
    return Initial(**node)
