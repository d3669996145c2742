"""NASNet's skeletons for CIFAR and for ImageNet."""

from __future__ import annotations

from torch import nn

from nastk.errors import UserError
from nastk.genotype import CellGenotype
from nastk.genotype.stems import STRIDES
from nastk.networks.config import NetworkConfig
from nastk.networks.heads import head
from nastk.networks.network import Network, Stem
from nastk.networks.skeleton import Stacking, after_stem, plain_stem, plan, width_of
from nastk.ops.conv import batch_norm

STEM_KERNEL = 3
STEM_CELLS = 2


def build_nasnet(genotype: CellGenotype, config: NetworkConfig) -> Network:
    """Returns the network of Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition".

    CIFAR: 3x3 stem; N normal cells, a reduction, N, a reduction, N; ReLU, global average pool, linear; the same with a
    stem of stride 2, 4 or 8. ImageNet: 3x3
    stem of stride 2, unpadded; two reduction cells at F/4 and F/2; the rest as for CIFAR. A cell's inputs go through
    ReLU, 1x1 convolution and batch normalisation to F channels, the older one through a factorized reduction where its
    resolution differs.

    The very first cell has no older input and gets the stem's output in its place. The ImageNet stem's cell takes it as
    it is, as the reference does (published counts depend on it). CIFAR's cell takes it through a 1x1 convolution
    instead, so that an identity edge is one in the first cell too and equal genotype keys mean equal functions; that
    saves some thousand parameters. The reference's large network lets the normal cell after a reduction skip one
    more input than its others do; here all do as the others. No count depends on that.

    Raises:
        UserError: filters or size that the ImageNet stem cannot work with.
    """
    if config.stem in STRIDES:
        filters = config.stem_multiplier * width_of(config)
        stem = plain_stem(config, filters)
        stacking = Stacking(genotype, config, (filters, filters), after_stem(config), len(plan(config)))
    else:
        stem, stacking = _imagenet(genotype, config)
    stacking.add_stacks()
    return stacking.network(stem, head(stacking.channels[1], config.classes, nn.ReLU()))


def _imagenet(genotype: CellGenotype, config: NetworkConfig) -> tuple[Stem, Stacking]:
    filters = width_of(config)
    quarter, rest = divmod(filters, 4)
    if rest or quarter < 2:
        raise UserError(f"network: filters={filters}, expected a multiple of 4, at least 8, with stem='imagenet'")
    if min(config.height, config.width) < STEM_KERNEL:
        told = f"size={config.height}" if config.height == config.width else f"{config.height}x{config.width} pixels"
        raise UserError(f"network: {told}, expected at least {STEM_KERNEL} with stem='imagenet'")
    width = config.stem_filters
    conv = nn.Conv2d(config.channels, width, STEM_KERNEL, stride=2, bias=False)
    sides = (config.height - STEM_KERNEL) // 2 + 1, (config.width - STEM_KERNEL) // 2 + 1
    stacking = Stacking(genotype, config, (width, width), sides, len(plan(config)) + STEM_CELLS)
    stacking.add(quarter, is_reduction=True, raw_previous=True)
    stacking.add(2 * quarter, is_reduction=True)
    return Stem(nn.Sequential(conv, batch_norm(width))), stacking
