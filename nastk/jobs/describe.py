"""What there is to say of a network before it is trained: parameters, MACs, input, classes, cells and layers."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

from omegaconf import DictConfig
from torch import nn

from nastk.genotype import Genotype
from nastk.genotype.skeleton import skeleton_named
from nastk.jobs.describe_asked import ALL, NONE, Asked, asked
from nastk.networks import NetworkConfig, build_network
from nastk.networks.count import count_macs, count_parameters, without_content
from nastk.networks.features import FeatureNetwork, map_facts

SCHEMA = 1


def description(config: DictConfig) -> dict[str, Any]:
    """Returns the facts that `nastk.describe format=json` prints, and draws the picture where one is asked for.

    With `network.features=true` there are "features" too: parameters and MACs without head and classifier, and maps.

    `params` counts the network that is deployed, without the auxiliary head; `params_with_auxiliary` what is trained
    with one. `macs` are those of convolutions and linear layers on one image.

    Raises:
        UserError: as `asked`; the network has no feature maps that were asked for.
    """
    what = asked(config)
    genotype = what.genotype
    deployed, trained = (dataclasses.replace(what.config, auxiliary=auxiliary) for auxiliary in (False, True))
    with without_content():
        network = build_network(genotype, deployed)
        with_auxiliary = count_parameters(build_network(genotype, trained), auxiliary=True)
    facts = {
        "schema": SCHEMA,
        "params": count_parameters(network, auxiliary=False),
        "params_with_auxiliary": with_auxiliary,
        "macs": count_macs(network, deployed),
        "input": list(deployed.shape),
        "classes": deployed.classes,
        "skeleton": genotype.skeleton,
        "key": genotype.key,
        "network": deployed.to_dict(),
        "genotype": genotype.to_dict(),
    }
    facts |= _drawn_and_measured(what, deployed, network, facts)
    if what.features:
        facts["features"] = _features(network, deployed)
    return facts


def _drawn_and_measured(
    what: Asked, deployed: NetworkConfig, network: nn.Module, facts: dict[str, Any]
) -> dict[str, Any]:
    """Draws the picture and returns the facts of the layers, as far as they are asked for: both load more libraries."""
    if what.picture is not None:
        from nastk.jobs.describe_picture import write_picture

        counts = f"{facts['params'] / 1e6:.2f} M parameters, {facts['macs'] / 1e6:,.0f} M MACs"
        title = f"{what.name} for {'x'.join(map(str, deployed.shape[1:]))} px, {counts}"
        write_picture(what.picture, what.genotype, deployed, network, title)
        print(f"describe: drawn in {what.picture}", file=sys.stderr)
    if what.rows == NONE:
        return {}
    from nastk.jobs.describe_layers import layer_facts

    return layer_facts(what.genotype, deployed, network, what.rows == ALL, what.measure)


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
    if "layers" in facts:
        from nastk.jobs.describe_layers import layer_lines

        lines += ["", *layer_lines(facts)]
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
