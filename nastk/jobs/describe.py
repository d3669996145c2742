"""What there is to say of a network before it has weights: parameters, MACs, input, classes and cells."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nastk.config.build import jsonable, plain, shipped
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.genotype.skeleton import skeleton_named
from nastk.networks import NetworkConfig, build_network
from nastk.networks.count import count_macs, count_parameters
from nastk.outside import read_json

SCHEMA = 1


def description(config: DictConfig) -> dict[str, Any]:
    """Returns the facts that `nastk.describe format=json` prints.

    `params` counts the network that is deployed, without the auxiliary head; `params_with_auxiliary` what is trained
    with one. `macs` are those of convolutions and linear layers on one image.

    Raises:
        UserError: no genotype was given, or the file holds none.
    """
    import torch

    fields = jsonable(plain(config.network))
    stored = fields.pop("genotype", None)
    if config.genotype is not None:
        stored = _genotype_in(Path(str(config.genotype)))
    if stored is None:
        names = sorted(path.stem for path in (shipped("conf") / "network").glob("*.yaml") if path.stem != "default")
        raise UserError(f"nothing to describe: give network=NAME ({', '.join(names)}) or genotype=FILE")
    genotype = Genotype.from_dict(stored)
    network_config = NetworkConfig.from_dict(fields).complete(skeleton_named(genotype.skeleton))
    deployed = dataclasses.replace(network_config, auxiliary=False)
    trained = dataclasses.replace(network_config, auxiliary=True)
    with torch.device("meta"):
        network = build_network(genotype, deployed)
        with_auxiliary = count_parameters(build_network(genotype, trained), auxiliary=True)
    shape = list(deployed.shape)
    return {
        "schema": SCHEMA,
        "params": count_parameters(network, auxiliary=False),
        "params_with_auxiliary": with_auxiliary,
        "macs": count_macs(network, deployed),
        "input": shape,
        "classes": deployed.classes,
        "skeleton": genotype.skeleton,
        "key": genotype.key,
        "network": deployed.to_dict(),
        "genotype": genotype.to_dict(),
    }


def as_text(facts: dict[str, Any]) -> str:
    """Returns the facts for a person to read."""
    genotype = Genotype.from_dict(facts["genotype"])
    network, skeleton = facts["network"], skeleton_named(facts["skeleton"])
    stem = f"stem {network['stem']}, " if skeleton.cells else ""
    with_head = facts["params_with_auxiliary"]
    auxiliary = f" ({with_head:,} with the auxiliary head)" if with_head != facts["params"] else ""
    lines = [
        f"skeleton    {facts['skeleton']}, {stem}{skeleton.told(network)}",
        f"input       {'x'.join(map(str, facts['input']))}, {facts['classes']} classes",
        f"parameters  {facts['params']:,}{auxiliary}",
        f"MACs        {facts['macs']:,}",
        f"key         {facts['key']}",
    ]
    lines += genotype.lines()
    return "\n".join(lines)


def _genotype_in(path: Path) -> Any:
    data = read_json(path)
    return data["genotype"] if isinstance(data, dict) and "genotype" in data else data
