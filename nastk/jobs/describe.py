"""What there is to say of a network before it has weights: parameters, MACs, input, classes and cells."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn

from nastk.checks import check_flag
from nastk.config.build import jsonable, plain, shipped
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.genotype.skeleton import skeleton_named
from nastk.networks import NetworkConfig, build_network
from nastk.networks.count import count_macs, count_parameters
from nastk.networks.features import FeatureNetwork, map_facts
from nastk.outside import read_json

SCHEMA = 1


def description(config: DictConfig) -> dict[str, Any]:
    """Returns the facts that `nastk.describe format=json` prints.

    With `network.features=true` there are "features" too: parameters and MACs without head and classifier, and maps.

    `params` counts the network that is deployed, without the auxiliary head; `params_with_auxiliary` what is trained
    with one. `macs` are those of convolutions and linear layers on one image.

    Raises:
        UserError: no genotype was given, or the file holds none; the network has no feature maps that were asked for.
    """
    fields = jsonable(plain(config.network))
    features = fields.pop("features", False)
    check_flag("network.features", features)
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
    counts = {"params": count_parameters(network, auxiliary=False), "macs": count_macs(network, deployed)}
    return {
        "schema": SCHEMA,
        "params": counts["params"],
        "params_with_auxiliary": with_auxiliary,
        "macs": counts["macs"],
        "input": shape,
        "classes": deployed.classes,
        "skeleton": genotype.skeleton,
        "key": genotype.key,
        "network": deployed.to_dict(),
        "genotype": genotype.to_dict(),
        **({"features": _features(network, deployed)} if features else {}),
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
    if "features" in facts:
        lines += _features_told(facts["features"])
    lines += genotype.lines()
    return "\n".join(lines)


def _features(network: nn.Module, config: NetworkConfig) -> dict[str, Any]:
    """Returns what the network is as a backbone; its head and classifier are taken off it."""
    backbone = FeatureNetwork(network, *config.shape)
    return {
        "params": count_parameters(backbone, auxiliary=False),
        "macs": count_macs(backbone, config),
        "maps": map_facts(backbone.info),
    }


def _features_told(features: dict[str, Any]) -> list[str]:
    maps = [f"{one['name']}: {one['channels']} channels, {one['height']}x{one['width']}" for one in features["maps"]]
    many = "1 feature map" if len(maps) == 1 else f"{len(maps)} feature maps"
    first = f"backbone    {features['params']:,} parameters, {features['macs']:,} MACs, {many}"
    return [first, *(f"  {line}" for line in maps)]


def _genotype_in(path: Path) -> Any:
    data = read_json(path)
    return data["genotype"] if isinstance(data, dict) and "genotype" in data else data
