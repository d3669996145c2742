"""Run by torch's launcher: a few steps of training in double precision; each process writes its weights to a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nastk.data.images import Images
from nastk.data.normalisation import Normalisation
from nastk.data.sources import Digits
from nastk.data.subsets import subset
from nastk.networks import build_network
from nastk.training.augment import Augmentation
from nastk.training.averaging import AveragingClassifier
from nastk.training.batches import Batches
from nastk.training.distributed import SameStatistics
from nastk.training.fit import fit
from nastk.training.recipe import Recipe
from nastk.training.seeds import isolated_rng
from nastk.training.share import Share
from nastk.training.synchronised import synchronised
from tests.training.small import CONFIG, genotype

CPU = torch.device("cpu")
STEPS = 4


class Double(nn.Module):
    """A network whose rounding is too small to matter after a few steps."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.double()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x.double())
        return logits


def trained(share: Share, sync: bool, average: float) -> dict[str, Tensor]:
    """Returns the weights and statistics after `STEPS` steps of 32 digits, shifted and cut out."""
    images = subset(Digits().train(), 32 * STEPS, 0)
    assert isinstance(images, Images)
    with isolated_rng(1, CPU):
        network: nn.Module = Double(build_network(genotype(), CONFIG))
        batches = Batches(
            images,
            Normalisation((0.3,), (0.4,)),
            batch=32,
            augmentation=Augmentation(crop=0.125, cutout=0.25),
            seed=3,
            device=CPU,
            share=share,
        )
        if sync:
            network = synchronised(network, CPU)
        recipe = Recipe(epochs=1, batch=32, learning_rate=0.05, clip=1.0)
        module = AveragingClassifier(
            network, batches, recipe, seed=3, after_epoch=lambda epoch, loss: None, average=average
        )
        fit(module, CPU, [SameStatistics(network, share)], share=share)
    return dict(module.result.state_dict())


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    mine = Share.of_group()
    for sync in (True, False):
        torch.save(trained(mine, sync, 0.5), Path(sys.argv[1]) / f"{'sync' if sync else 'plain'}-{mine.rank}.pt")
    dist.destroy_process_group()
