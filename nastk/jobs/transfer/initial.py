"""`transfer.init`: with which weights each of a transfer's networks begins, found out before the first is trained."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from nastk.errors import UserError, unknown
from nastk.genotype import Genotype
from nastk.genotype.skeleton import Number, skeleton_named
from nastk.networks import NetworkConfig, build_network
from nastk.networks.initial import fitting
from nastk.networks.pretrained import PUBLISHED, WORD, pretrained_name
from nastk.training.initial import Initial, Weights, read_weights

SEARCHED = "searched"
Asked = str | Mapping[str, str] | None


@dataclass(frozen=True)
class Beginnings:
    """The weights that a transfer is asked to begin with.

    Attributes:
        everywhere: for every network that they fit; None for none.
        named: for a baseline by its name, or "searched" for the search's candidates; these have to fit.
    """

    everywhere: str | None = None
    named: Mapping[str, str] = field(default_factory=dict)

    def of(self, baseline: str | None) -> str | None:
        """Returns the file for a network, None where it begins with random weights."""
        return self.named.get(baseline or SEARCHED, self.everywhere)


def asked_beginnings(asked: Asked, baselines: Sequence[str]) -> Beginnings:
    """Returns what `transfer.init` asks for, each file read once so that a damaged one is found before a search.

    Args:
        asked: a path, or paths by network, where "pretrained" stands for the weights that a package has of it.
        baselines: names of those that the transfer trains.

    Raises:
        UserError: a name of no network that is trained, or a file that cannot be used.
    """
    if asked is None:
        return Beginnings()
    named = {} if isinstance(asked, str) else dict(asked)
    for name in named:
        if name not in (SEARCHED, *baselines):
            raise unknown("network in transfer.init", name, [SEARCHED, *baselines])
        if named[name] == WORD:
            named[name] = _pretrained(name)
    if asked == WORD:
        raise UserError(f"transfer.init={WORD}: expected by network, {{{next(iter(PUBLISHED))}: {WORD}}}")
    for path in [asked] if isinstance(asked, str) else named.values():
        try:
            read_weights(Path(path))
        except UserError as error:
            raise UserError(f"transfer.init: {error}") from None
    return Beginnings(asked if isinstance(asked, str) else None, named)


def _pretrained(name: str) -> str:
    try:
        return pretrained_name(name)
    except UserError as error:
        raise UserError(f"transfer.init: {error}") from None


def own_size(genotype: Genotype) -> Mapping[str, Number]:
    """Returns the size that a baseline is published in, which weights from elsewhere are of."""
    return skeleton_named(genotype.skeleton).complete({})


def begun(
    networks: Sequence[tuple[str, Genotype, NetworkConfig, str | None]], asked: Beginnings
) -> list[Initial | None]:
    """Returns the weights that each network begins with, None for random ones, and tells of each what fits.

    Args:
        networks: for each how it is told of, genotype, configuration and the baseline's name, None for a candidate.
        asked: what for.

    Raises:
        UserError: a file that is to be used everywhere fits no network, or one that is named for a network does not.
    """
    read: dict[str, Weights] = {}
    found: list[Initial | None] = []
    lines, refused = [], []
    for told, genotype, network, baseline in networks:
        path = asked.of(baseline)
        if path is None:
            found.append(None)
            continue
        if path not in read:
            read[path] = read_weights(Path(path))
        weights = read[path]
        with torch.device("meta"):
            built = build_network(genotype, network)
        fit = fitting(weights.tensors, built, network.channels)
        what = f"{fit.told}{_otherwise(weights, genotype, network)}"
        found.append(weights.initial if fit.enough else None)
        if fit.enough:
            lines.append(f"transfer {told}: begins with {path}: {what}")
            continue
        refused.append(
            f"{path}: does not fit {told}, expected at least half of its parameters: {what}{_advice(baseline)}"
        )
        lines.append(f"transfer {told}: from scratch: {refused[-1]}")
        if path != asked.everywhere:
            raise UserError(refused[-1])
    if refused and not any(found):
        raise UserError(refused[0])
    for line in lines:
        print(line, file=sys.stderr)
    return found


def _advice(baseline: str | None) -> str:
    return f"; transfer.init={{{baseline}: FILE}} trains {baseline} in the size that is published" if baseline else ""


def _otherwise(weights: Weights, genotype: Genotype, network: NetworkConfig) -> str:
    """Returns what a trained network's folder is of, where that differs."""
    told = []
    if weights.genotype is not None and weights.genotype.key != genotype.key:
        told.append(f"of another genotype, {weights.genotype.key[:8]}")
    if weights.config is not None:
        for name, there in weights.config.sizes.items():
            here = network.sizes.get(name)
            if here is not None and here != there:
                told.append(f"{name} is {there} there, {here} here (transfer.{name}={there})")
    return "".join(f"; {one}" for one in told)
