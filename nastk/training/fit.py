"""Running a Lightning training with everything off that costs time on small networks."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
import torch

from nastk.processor import X86_BF16, bf16_sets
from nastk.training.checkpoint import OnDisk
from nastk.training.distributed import trainer_options
from nastk.training.failure import memory_errors_named
from nastk.training.kept_memory import memory_kept
from nastk.training.kernels.graphed import graphed
from nastk.training.kernels.quick_forms import quick_forms
from nastk.training.module import Classifier
from nastk.training.share import Share

NO_BF16 = (
    f"this processor has no instructions for it ({', '.join(X86_BF16)}); trains, but slower than with precision=fp32"
)


def fit(
    module: Classifier,
    device: torch.device,
    callbacks: Sequence[pl.Callback] = (),
    checkpoint: Path | None = None,
    share: Share | None = None,
    epochs: int | None = None,
) -> None:
    """Trains `module` for its recipe's epochs, or for the first of them.

    Args:
        module: what to train; its network ends on `device`, or where Lightning left it if the training fails.
        device: CPU or GPU.
        callbacks: Lightning callbacks.
        checkpoint: where to go on from, read with `weights_only=True`.
        share: this process's, where several train together.
        epochs: after which it stops, as it would be at that moment of the whole training; None for all.

    Raises:
        TrainingError: diverged, out of memory or out of time.
        KeyboardInterrupt: as it came; Lightning would have made an exit of it.
    """
    recipe = module.recipe
    bf16 = recipe.in_bf16(device)
    if bf16 and device.type == "cpu" and not bf16_sets():
        warnings.warn(f"precision=bf16: {NO_BF16}", stacklevel=2)
    on_interrupt = signal.getsignal(signal.SIGINT)
    with lightning_silenced():
        trainer = _trainer(recipe.epochs if epochs is None else epochs, bf16, device, callbacks, share or Share())
        try:
            exact = torch.backends.cudnn.flags(deterministic=True, benchmark=False)
            graphs = graphed(module.network, module.batches, device, wanted=recipe.graph, steps=module.steps, bf16=bf16)
            with memory_errors_named(), memory_kept(), quick_forms(module.network, device), exact, graphs:
                trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
        except SystemExit as error:
            if isinstance(error.__context__, KeyboardInterrupt):
                signal.signal(signal.SIGINT, on_interrupt)  # Lightning ignores it from the first on
                raise KeyboardInterrupt from None
            raise


def _trainer(
    epochs: int, bf16: bool, device: torch.device, callbacks: Sequence[pl.Callback], share: Share
) -> pl.Trainer:
    devices = trainer_options(share, device)
    devices["plugins"].append(OnDisk())
    return pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        precision="bf16-mixed" if bf16 else "32-true",
        max_epochs=epochs,
        callbacks=list(callbacks),
        barebones=True,
        **devices,
    )


@contextmanager
def lightning_silenced() -> Iterator[None]:
    """Keeps Lightning's notices and warnings off the terminal: none of them is about what the user did."""
    logger = logging.getLogger("pytorch_lightning")
    names = [logger, *(logging.getLogger(f"pytorch_lightning.{part}") for part in ("utilities.rank_zero", "trainer"))]
    levels = [logger.level for logger in names]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric|torch)\b")
        for logger in names:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(names, levels, strict=True):
                logger.setLevel(level)
