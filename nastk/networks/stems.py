"""Which stem suits images of a size: the least reduction that leaves a map as small as CIFAR's."""

from __future__ import annotations

from nastk.genotype.stems import IMAGENET_STRIDE, STRIDES

# Cells work at a resolution, whatever the photograph's; the published CIFAR networks begin at 32, ImageNet's at 28.
MOST_PIXELS = 40


def fitted_stem(size: int) -> str:
    """Returns the stem for images of `size` pixels a side: "cifar" up to 40, then a stride of 2, 4 or 8."""
    return next((stem for stem, stride in STRIDES.items() if left(size, stem) <= MOST_PIXELS), list(STRIDES)[-1])


def left(size: int, stem: str) -> int:
    """Returns the pixels a side that a stem leaves of an image's, rounded up."""
    return -(-size // STRIDES.get(stem, IMAGENET_STRIDE))


def smaller_inputs(size: int, stem: str | None, resizable: bool, least: int = 8) -> list[tuple[int, str]]:
    """Returns image sizes and stems to choose from, the one to take where nothing speaks against it first.

    Each that follows leaves fewer pixels to the cells, so that a network of the same cells is faster and takes less
    memory. Images as small as CIFAR's are left alone.

    Args:
        size: pixels a side of the images.
        stem: the one that is given; None for one to be chosen.
        resizable: whether the images may be made smaller.
        least: pixels a side to leave to the cells.
    """
    first = (size, stem or fitted_stem(size))
    if size <= MOST_PIXELS or first[1] not in STRIDES:
        return [first]
    sizes = [size, *(pixels for pixels in (192, 160, 128, 96, 64, 48, 32) if pixels < size)] if resizable else [size]
    stems = list(STRIDES) if stem is None else [stem]
    choices = [(pixels, name) for pixels in sizes for name in stems if left(pixels, name) >= least]
    order = sorted(choices, key=lambda choice: (-left(*choice), -choice[0]))
    found, most = [first], left(*first)
    for pixels, name in order:
        # a step worth measuring takes a tenth off each side; of two that leave as much, the one that sees more
        if left(pixels, name) <= 0.9 * most:
            found.append((pixels, name))
            most = left(pixels, name)
    return found
