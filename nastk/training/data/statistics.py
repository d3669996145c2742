"""Mean and standard deviation of a training part, what images are normalised by."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nastk.training.data.images import Images


@dataclass(frozen=True)
class Normalisation:
    """What is taken off and divided by, a channel each, for pixels in 0..1.

    Attributes:
        mean: a number a channel.
        std: a number a channel, above 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


def statistics(images: Images) -> Normalisation:
    """Returns mean and standard deviation of each channel of `images`, exactly: they are counted, not sampled.

    A channel of one value only has deviation 1, so that normalising it gives zeros.
    """
    values = torch.arange(256, dtype=torch.float64, device=images.x.device) / 255
    means, deviations = [], []
    for channel in images.x.transpose(0, 1):
        weights = torch.bincount(channel.reshape(-1), minlength=256).double()
        weights /= weights.sum()
        mean = (weights * values).sum()
        variance = float((weights * (values - mean) ** 2).sum())
        means.append(float(mean))
        deviations.append(variance**0.5 if variance > 1e-12 else 1.0)
    return Normalisation(tuple(means), tuple(deviations))
