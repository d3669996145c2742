"""Weights under the names of other libraries: which order their layers have, and so which of ours each one is."""

from nastk.networks.foreign.families import FAMILIES
from nastk.networks.foreign.family import Family, layers_of, layers_there
from nastk.networks.foreign.translate import Translation, translated

__all__ = ["FAMILIES", "Family", "Translation", "layers_of", "layers_there", "translated"]
