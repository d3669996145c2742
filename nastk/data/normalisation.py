"""Mean and standard deviation of a training part, what images are normalised by."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nastk.data.images import Images, ImageSet

SAMPLE = 10_000
BATCH = 1024


@dataclass(frozen=True)
class Normalisation:
    """What is taken off and divided by, a channel each, for pixels in 0..1.

    Attributes:
        mean: a number a channel.
        std: a number a channel, above 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


def statistics(images: ImageSet) -> Normalisation:
    """Returns mean and standard deviation of each channel of `images`.

    Counted over every pixel of images in memory. Of a larger set, which workers decode, over 10,000 images, drawn by a
    fixed seed.

    A channel of one value only has deviation 1, so that normalising it gives zeros.
    """
    if not isinstance(images, Images) and len(images) > SAMPLE:
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
        images = images.take(order[:SAMPLE].sort().values)
    counts = torch.zeros((images.channels, 256), dtype=torch.int64, device=images.y.device)
    for pixels, _ in images.batches(BATCH):
        counts += torch.stack([channel.reshape(-1).bincount(minlength=256) for channel in pixels.transpose(0, 1)])
    values = torch.arange(256, dtype=torch.float64, device=counts.device) / 255
    means, deviations = [], []
    for count in counts:
        weights = count.double() / count.sum()
        mean = (weights * values).sum()
        variance = float((weights * (values - mean) ** 2).sum())
        means.append(float(mean))
        deviations.append(variance**0.5 if variance > 1e-12 else 1.0)
    return Normalisation(tuple(means), tuple(deviations))
