"""What candidates are built as, from an evaluator's setting `network` and its images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nastk.data.images import DataSource
from nastk.errors import UserError, unknown
from nastk.networks import NetworkConfig
from nastk.networks.config import field_names

FROM_DATA = ("classes", "channels", "size", "height", "width")
FROM_RECIPE = ("auxiliary", "drop_path")


def network_for(
    network: Mapping[str, Any], data: DataSource, auxiliary: bool = False, drop_path: float = 0.0
) -> NetworkConfig:
    """Returns the network that candidates are built as.

    Args:
        network: fields of `NetworkConfig`; those that are None have its defaults.
        data: gives classes, channels and size.
        auxiliary, drop_path: of the recipe.

    Raises:
        UserError: an unknown field, or one that follows from the data or the recipe.
    """
    for name in FROM_DATA:
        if name in network:
            raise UserError(f"network.{name}={network[name]!r}: follows from the data, leave it out")
    for name in FROM_RECIPE:
        if name in network:
            raise UserError(f"network.{name}={network[name]!r}: is the recipe's, give evaluator.{name}")
    valid = [name for name in field_names() if name not in FROM_DATA + FROM_RECIPE]
    for name in network:
        if name not in valid:
            raise unknown("field of network", name, valid)
    return NetworkConfig(
        **{name: value for name, value in network.items() if value is not None},
        classes=len(data.classes),
        channels=data.channels,
        size=data.size,
        auxiliary=auxiliary,
        drop_path=drop_path,
    )
