"""The skeletons of DARTS' evaluation networks for CIFAR and for ImageNet."""

from __future__ import annotations

from torch import nn

from nastk.genotype import CellGenotype
from nastk.genotype.stems import STRIDES
from nastk.networks.config import NetworkConfig
from nastk.networks.heads import head
from nastk.networks.network import Network, Stem
from nastk.networks.skeleton import Stacking, after_stem, halved, plain_stem, plan, width_of
from nastk.ops.conv import conv_bn


def build_darts(genotype: CellGenotype, config: NetworkConfig) -> Network:
    """Returns the network of Liu, Simonyan, Yang, "DARTS: Differentiable Architecture Search", ICLR 2019.

    Their L layers have reductions at L // 3 and 2 L // 3; with L = 3 N + 2 that is N normal cells, a reduction, N, a
    reduction, N: CIFAR's 20 layers are `cells` = 6, ImageNet's 14 are `cells` = 4. Every cell input goes through ReLU,
    1x1 convolution and batch normalisation, or a factorized reduction where its resolution differs. The ImageNet stem
    is three 3x3 convolutions of stride 2; `stem_filters` has no part in it.
    """
    total = len(plan(config))
    if config.stem in STRIDES:
        filters = config.stem_multiplier * width_of(config)
        stem = plain_stem(config, filters)
        stacking = Stacking(genotype, config, (filters, filters), after_stem(config), total, match_previous=True)
    else:
        filters = width_of(config)
        stem = _imagenet_stem(config)
        sides = halved((config.height, config.width), 3)
        stacking = Stacking(genotype, config, (filters, filters), sides, total, behind=True, match_previous=True)
    stacking.add_stacks()
    return stacking.network(stem, head(stacking.channels[1], config.classes))


def _imagenet_stem(config: NetworkConfig) -> Stem:
    filters = width_of(config)
    first = (*conv_bn(config.channels, filters // 2, 3, 2), nn.ReLU(), *conv_bn(filters // 2, filters, 3, 2))
    return Stem(nn.Sequential(*first), nn.Sequential(nn.ReLU(), *conv_bn(filters, filters, 3, 2)))
