"""The recipe of a full training, `training=fast`, with what it leaves to be chosen as a transfer chooses it."""

from __future__ import annotations

from typing import Any

from nastk.config.build import build, load_yaml, shipped
from nastk.jobs.parts import without_automatic
from nastk.training.fitted import TRANSFER, fitted_batch, fitted_epochs, fitted_rate
from nastk.training.transfer import TransferSettings


def fast_recipe(images: int, size: int, **changes: Any) -> TransferSettings:
    """Returns the recipe for so many images of so many pixels a side.

    Args:
        images: that are trained on.
        size: pixels a side.
        changes: settings that are other than in conf/training/fast.yaml; the learning rate is the optimizer's at the
            batch, where it is not among them.
    """
    shipped_node, _ = without_automatic(load_yaml(shipped("conf") / "training" / "fast.yaml"))
    node: dict[str, Any] = {str(name): value for name, value in shipped_node.items()} | changes
    batch = node.setdefault("batch", fitted_batch(images, size))
    node.setdefault("epochs", fitted_epochs(images, batch, size, TRANSFER))
    node.setdefault("learning_rate", fitted_rate(batch, TRANSFER, node["optimizer"]))
    recipe: TransferSettings = build(node, "training", TransferSettings)
    return recipe
