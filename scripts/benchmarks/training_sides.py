"""The sides that the training benchmark compares: nastk's training, a bare torch loop, Lightning's tutorial.

Same network, batches and steps on each side; what differs is what drives them.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from nastk.blocks import cell as cells
from nastk.data.images import Images
from nastk.data.normalisation import Normalisation, statistics
from nastk.data.sources import Digits
from nastk.genotype import Cell, CellGenotype, Edge, Genotype, Node
from nastk.networks import NetworkConfig, build_network
from nastk.ops.identity import FactorizedReduction
from nastk.training.augment import Augmentation
from nastk.training.averaging import AveragingClassifier
from nastk.training.batches import Batches
from nastk.training.device import place
from nastk.training.fit import fit
from nastk.training.kernels.quick_forms import quick_forms
from nastk.training.recipe import Recipe

CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Subject:
    """A network and the images that it is trained on."""

    name: str
    genotype: Genotype
    config: NetworkConfig
    images: Images

    @property
    def normalisation(self) -> Normalisation:
        return statistics(self.images)

    def network(self, device: torch.device = CPU) -> nn.Module:
        torch.manual_seed(0)
        network = build_network(self.genotype, self.config)
        place(network, device)
        return network

    def batches(self, batch: int, device: torch.device = CPU) -> Batches:
        return Batches(self.images, self.normalisation, batch=batch, augmentation=Augmentation(), seed=1, device=device)


def separable() -> Genotype:
    """Returns cells of separable 3x3 convolutions."""

    def made() -> Cell:
        nodes = [Node((Edge(state, "sep_conv_3x3"), Edge(state - 1, "identity"))) for state in (1, 2)]
        return Cell(2, tuple(nodes), (2, 3))

    return CellGenotype("nasnet", (("normal", made()), ("reduction", made())))


def subjects(count: int = 1000) -> list[Subject]:
    """Returns the two networks of about 50,000 parameters, on digits and on noise of CIFAR-10's shape."""
    digits = Digits().train().take(torch.arange(count))
    noise = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=noise)
    shapes = (("8x8 grey", digits, 1, 8), ("32x32 RGB", Images(pixels, torch.arange(count) % 10), 3, 32))
    return [
        Subject(name, separable(), NetworkConfig(cells=1, filters=12, channels=channels, size=size), images)
        for name, images, channels, size in shapes
    ]


def ours(subject: Subject, recipe: Recipe, device: torch.device = CPU) -> float:
    """Trains as a candidate is trained; returns the seconds, Lightning's set-up and the making of batches included."""
    network = subject.network(device)
    batches = subject.batches(recipe.batch, device)
    start = time.perf_counter()
    module = AveragingClassifier(network, batches, recipe, seed=0, after_epoch=lambda epoch, loss: None, average=0.0)
    fit(module, device)
    wait(device)
    return time.perf_counter() - start


def bare(subject: Subject, recipe: Recipe, device: torch.device = CPU, own: bool = False, bf16: bool = False) -> float:
    """Trains in a bare loop on batches made before; returns the seconds. `own` takes torch's own form of everything."""
    network = subject.network(device).train()
    batches = subject.batches(recipe.batch, device)
    made = []
    for epoch in range(recipe.epochs):
        batches.epoch = epoch
        made += list(batches)
    optimizer = recipe.make_optimizer(network)
    with torch_forms() if own else quick_forms(network, device):
        wait(device)
        start = time.perf_counter()
        for step, (x, y) in enumerate(made):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate(step, len(made))
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                loss = cross_entropy(network(x), y, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
            optimizer.step()
        wait(device)
        return time.perf_counter() - start


class TutorialClassifier(pl.LightningModule):
    """What Lightning's introduction writes."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = cross_entropy(self.network(x), y, label_smoothing=self.recipe.label_smoothing)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.recipe.make_optimizer(self.network)


def tutorial(subject: Subject, recipe: Recipe, own: bool = False) -> float:
    """Trains with a DataLoader of two workers and the default Trainer; returns the seconds.

    With `own` as a newcomer has it: torch's own forms, default memory layout; else with the network as we place it.
    """
    network = subject.network()
    if own:
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    x = torch.cat([batch for batch, _ in subject.batches(len(subject.images))]).contiguous()
    dataset = TensorDataset(x, subject.images.y)
    with torch_forms() if own else quick_forms(network, CPU), tempfile.TemporaryDirectory() as folder, silence():
        start = time.perf_counter()
        loader = DataLoader(dataset, recipe.batch, shuffle=True, num_workers=2, drop_last=True)
        trainer = pl.Trainer(
            max_epochs=recipe.epochs, gradient_clip_val=recipe.clip, accelerator="cpu", default_root_dir=folder
        )
        trainer.fit(TutorialClassifier(network, recipe), loader)
        return time.perf_counter() - start


def whole(side: Callable[[], float]) -> Callable[[], float]:
    """Returns a side that gives its seconds from nothing to the trained network: built, placed, set up, trained."""

    def timed() -> float:
        start = time.perf_counter()
        side()
        return time.perf_counter() - start

    return timed


@contextlib.contextmanager
def torch_forms() -> Iterator[None]:
    """Takes out what the networks themselves do for speed: shared ReLUs, dense gradients, gathered reductions."""

    def apply(edge: nn.Module, state: int, states: dict[int, Tensor], rectified: dict[int, Tensor]) -> Tensor:
        result: Tensor = edge(states[state])
        return result

    def slices(self: FactorizedReduction, x: Tensor) -> Tensor:
        return torch.cat((self.even(x), self.odd(x[:, :, 1:, 1:])), 1)

    kept = cells._apply, cells._dense, FactorizedReduction.forward
    cells._apply, cells._dense, FactorizedReduction.forward = apply, lambda gradient: gradient, slices  # type: ignore[method-assign]
    try:
        yield
    finally:
        cells._apply, cells._dense, FactorizedReduction.forward = kept  # type: ignore[method-assign]


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keeps the default Trainer's progress bar, notices and advice off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)


def wait(device: torch.device) -> None:
    """Waits until `device` has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
