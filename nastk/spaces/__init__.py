"""Search spaces: each a frozen value that turns a row of choices into a genotype. Loads no torch."""

from nastk.genotype.ops import KNOWN_OPS
from nastk.spaces.darts import DARTS_OPS, DartsSpace
from nastk.spaces.nasbench201 import NASBENCH201_OPS, NasBench201Space, from_arch_string, to_arch_string
from nastk.spaces.nasnet import NASNET_OPS, NasnetSpace
from nastk.spaces.space import Choose, Space, Value, random_genotype, replay
from nastk.spaces.stages import StageSpace

__all__ = [
    "DARTS_OPS",
    "KNOWN_OPS",
    "NASBENCH201_OPS",
    "NASNET_OPS",
    "Choose",
    "DartsSpace",
    "NasBench201Space",
    "NasnetSpace",
    "Space",
    "StageSpace",
    "Value",
    "from_arch_string",
    "random_genotype",
    "replay",
    "to_arch_string",
]
