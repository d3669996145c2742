"""The space of NAS-Bench-Macro against its published table: parameters and multiply-accumulates of all networks."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from nastk.config.build import load_yaml, shipped
from nastk.genotype.stages import StageGenotype
from nastk.jobs.parts import make_space
from nastk.networks import NetworkConfig, build_network, count_macs, count_parameters
from nastk.spaces import StageSpace, replay

LAYERS = 8
TABLE = Path(os.environ.get("NASTK_DATA", ""), "tables", "nb_macro_cifar10.npz")
# Of the publication's own file (xiusu/NAS-Bench-Macro): all identities, all of the large block, and two between.
PUBLISHED = {"00000000": 387_882, "00000001": 791_594, "00000002": 1_219_370, "00000010": 791_594}


def space() -> StageSpace:
    """Returns the shipped space."""
    return cast(
        StageSpace,
        make_space(OmegaConf.create({"space": load_yaml(shipped("search_spaces") / "nas_bench_macro.yaml")})),
    )


def network_of(arch: str) -> StageGenotype:
    """Returns the genotype of a row of the table: a digit a layer."""
    made = space()
    blocks = made.parts["stages"][0].blocks
    choices = {f"stages/{layer}/block": str(blocks[int(digit)]) for layer, digit in enumerate(arch)}
    return cast(StageGenotype, replay(made, choices))


def counted(arch: str) -> tuple[int, int]:
    """Returns parameters and multiply-accumulates."""
    config = NetworkConfig(size=32)
    with torch.device("meta"):
        network = build_network(network_of(arch), config)
    return count_parameters(network, auxiliary=False), count_macs(network, config)


def test_there_are_6561_networks_and_as_many_keys_as_functions() -> None:
    asked: dict[str, Any] = {}
    space().genotype(lambda name, options: asked.setdefault(name, options)[0])
    assert [len(options) for options in asked.values()] == [3] * LAYERS
    alike = {arch: network_of(arch).key for arch in ("01100000", "01100200", "10100000")}
    assert len(set(alike.values())) == 3


@pytest.mark.parametrize(("arch", "parameters"), PUBLISHED.items())
def test_published_parameters(arch: str, parameters: int) -> None:
    assert counted(arch)[0] == parameters


@pytest.mark.skipif(not TABLE.is_file(), reason="NASTK_DATA has no tables/nb_macro_cifar10.npz")
def test_all_6561_published_counts() -> None:
    table = np.load(TABLE)
    rows = {"".join(map(str, arch)): index for index, arch in enumerate(table["arch"].tolist())}
    assert len(rows) == 3**LAYERS
    # What a block adds does not depend on the others, for a layer's sizes are fixed: so each is built in its place
    # once, the sums are held to the whole table, and whole networks to some of it.
    none = counted("0" * LAYERS)
    adds = {
        (layer, digit): np.subtract(counted("0" * layer + digit + "0" * (LAYERS - 1 - layer)), none)
        for layer, digit in itertools.product(range(LAYERS), "12")
    }
    for arch, index in rows.items():
        total = np.add(
            none, sum((adds[layer, digit] for layer, digit in enumerate(arch) if digit != "0"), np.zeros(2, int))
        )
        assert (int(total[0]), int(total[1])) == (int(table["params"][index]), int(table["flops"][index])), arch
    for arch in list(rows)[:: 3**LAYERS // 20]:
        assert counted(arch) == (int(table["params"][rows[arch]]), int(table["flops"][rows[arch]]))
