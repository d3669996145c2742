"""Training with a moving average of the weights, which is what is kept in the end."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nastk.training.module import Classifier

AUXILIARY = "auxiliary"
AVERAGED_HEAD = f"averaged.module.{AUXILIARY}."


class AveragingClassifier(Classifier):
    """A training that averages weights and batch-norm statistics exponentially, step by step.

    The average's memory is a share of the training, so that short and long ones need no other setting.
    """

    def __init__(self, *args: Any, average: float, **kwargs: Any) -> None:
        """As `Classifier`; `average` is the share of all steps that the average remembers, 0 for no averaging."""
        super().__init__(*args, **kwargs)
        self.averaged: AveragedModel | None = None
        if average > 0:
            decay = 1 - 1 / max(1.0, average * self.steps)
            average_of = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            self.averaged = AveragedModel(self.network, multi_avg_fn=average_of, use_buffers=True)
            self.averaged.requires_grad_(False)
            if getattr(self.network, AUXILIARY, None) is not None:  # never scored: of it there is one
                setattr(self.averaged.module, AUXILIARY, getattr(self.network, AUXILIARY))

    @property
    def result(self) -> nn.Module:
        """The averaged network, or the trained one where nothing is averaged."""
        if self.averaged is None:
            return self.network
        module: nn.Module = self.averaged.module
        return module

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the auxiliary head's weights for its average, where a checkpoint of before has both."""
        weights = checkpoint["state_dict"]
        for name in weights:
            if name.startswith(AVERAGED_HEAD):
                weights[name] = weights[f"network.{AUXILIARY}.{name.removeprefix(AVERAGED_HEAD)}"]

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Moves the average towards the weights after the step."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)
