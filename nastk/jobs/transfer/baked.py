"""Networks of stages whose size is in their genotype: the two factors worked into its own numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from nastk.genotype import Genotype
from nastk.genotype.scaling import Scaling
from nastk.genotype.skeleton import skeleton_named
from nastk.genotype.stages import StageGenotype
from nastk.jobs.transfer.size_choice import SkeletonSizing
from nastk.jobs.transfer.sized import write_shape
from nastk.jobs.transfer.sizing import NetworkSize, Picked
from nastk.networks import NetworkConfig


def baked(genotype: Genotype, network: NetworkConfig) -> StageGenotype:
    """Returns a network of stages as a genotype whose own numbers are what is built."""
    assert isinstance(genotype, StageGenotype)
    sizes = skeleton_named(genotype.skeleton).complete(network.sizes)
    return Scaling(sizes["width_multiplier"], sizes["depth_multiplier"]).genotype(genotype)


def unscaled(genotype: Genotype, network: NetworkConfig) -> NetworkConfig:
    """Returns how such a genotype, and every other form of it, is built."""
    return dataclasses.replace(network, sizes=skeleton_named(genotype.skeleton).complete({}))


def write_baked_shape(folder: Path, form: Genotype, own: SkeletonSizing, cost: Mapping[str, float]) -> None:
    """Writes shape.json of such a form, which has no factors left, and what it costs; raises UserError."""
    sizes = own.skeleton.complete({})
    size = NetworkSize(sizes[own.skeleton.depth.name], sizes[own.skeleton.width.name])
    write_shape(folder, form, own, Picked(size, cost, []))
