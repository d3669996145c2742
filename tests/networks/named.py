"""The named networks of conf/network, and random ones of every space."""

from __future__ import annotations

import random
from pathlib import Path

import yaml

from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.spaces import DartsSpace, NasBench201Space, NasnetSpace, Space, random_genotype

FOLDER = Path(__file__).parents[2] / "conf" / "network"
SPACES: dict[str, Space] = {"nasnet": NasnetSpace(), "darts": DartsSpace(), "nasbench201": NasBench201Space()}


def named(name: str) -> tuple[Genotype, NetworkConfig]:
    fields = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return Genotype.from_dict(fields.pop("genotype")), NetworkConfig.from_dict(fields)


def drawn(skeleton: str, seed: int) -> Genotype:
    return random_genotype(SPACES[skeleton], random.Random(seed))
