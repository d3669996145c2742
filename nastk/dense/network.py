"""A backbone and the head over its maps, as one network."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from nastk.networks.features import FeatureNetwork


class DenseNetwork(nn.Module):
    """A backbone with a head.

    Shapes: (N, channels, height, width) to what the head gives.
    """

    def __init__(self, backbone: FeatureNetwork, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def set_drop_path_progress(self, fraction: float) -> None:
        """Sets how far training is, from 0 to 1; the backbone's drop path grows with it."""
        progress = getattr(self.backbone.network, "set_drop_path_progress", None)
        if progress is not None:
            progress(fraction)

    def forward(self, image: Tensor) -> Any:
        return self.head(self.backbone(image))
