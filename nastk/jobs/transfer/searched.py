"""What a search's configuration says of the networks that its candidates were built as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from nastk.config.build import plain
from nastk.genotype.skeleton import Number
from nastk.networks import NetworkConfig

SIZES = ("cells", "filters", "depth_multiplier", "width_multiplier")


def searched_sizes(searched: DictConfig) -> Mapping[str, Number]:
    """Returns depth and width of the search's candidates, those that are set."""
    network: Mapping[str, Any] = plain(searched_network(searched)) or {}
    return NetworkConfig(sizes={name: network[name] for name in SIZES if network.get(name) is not None}).sizes


def searched_stem(searched: DictConfig) -> str | None:
    """Returns the stem that the search's candidates have, None where none is set."""
    network = searched_network(searched)
    stem = None if network is None else network.get("stem")
    return None if stem is None else str(stem)


def searched_network(searched: DictConfig) -> DictConfig | None:
    """Returns the settings of the search's candidates, None where it builds none."""
    evaluator = searched.evaluator
    return evaluator.get("network") if isinstance(evaluator, DictConfig) else None


def searched_first_cells(searched: DictConfig) -> Any:
    """Returns how many normal cells come before the first reduction, None where that is not set."""
    network = searched_network(searched)
    return None if network is None else network.get("first_cells")
