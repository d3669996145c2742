"""What a dense task is: the seam that semantic segmentation and object detection plug into."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from torch import Tensor, nn

from nastk.networks.features import FeatureInfo

# What is true of one image. Of segmentation a mask, uint8 (height, width), 255 where a pixel does not count.
# Of detection {"boxes": float32 (m, 4) of x0, y0, x1, y1 in pixels, "labels": int64 (m,)}, as torchmetrics takes it.
Target = Any
# What comes out of a head: one tensor, or a tuple of them, the images first.
Outputs = Any

SPLITS = ("train", "val", "test")
NOT_COUNTED = 255  # in a mask


class DenseImages(NamedTuple):
    """One split of a set.

    Attributes:
        images: uint8 (n, height, width, 3).
        targets: n of them, one an image, on the CPU.
    """

    images: Tensor
    targets: Sequence[Target]


class DenseSet(Protocol):
    """A set of images with targets: what `nastk.dense.sets.read_set` gives."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; of segmentation the first is the background, of detection there is none for it."""

    def split(self, name: str) -> DenseImages:
        """Returns the split of one of the names "train", "val", "test"; all have images of the same size."""


class DenseMetric(Protocol):
    """Counts over batches, by torchmetrics or another reference implementation."""

    def update(self, outputs: Outputs, targets: Sequence[Target]) -> None:
        """Takes in what the network said in eval mode of some images, and what is true of them."""

    def compute(self) -> dict[str, float]:
        """Returns the numbers over all of them, the task's `score` among them; finite."""


class DenseTask(ABC):
    """What is learned over feature maps: a head, its loss and its measure.

    An object serves one training. `head` is called first, and the object may keep what loss and metric need of it,
    anchors for one. Images and targets of a batch come on the network's device, outputs in float32.

    Attributes:
        name: on the command line, task=<name>, and in the set's format.
        score: which of the metric's numbers says how good the network is, from 0 to 1, more is better.
        also: other numbers of the metric that are told beside it.
        outputs: names of what comes out of the head, in its order: the ONNX file's outputs. "logits" is a classifier's.
    """

    name: ClassVar[str]
    score: ClassVar[str]
    also: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]]

    @abstractmethod
    def head(self, info: tuple[FeatureInfo, ...], classes: int, height: int, width: int) -> nn.Module:
        """Returns the module from the tuple of a `FeatureNetwork`'s maps to outputs.

        It is traced by torch.fx when it is exported: sizes are those of `info`, not read from tensors.

        Args:
            info: the maps, the largest first.
            classes: as many as the set names.
            height, width: of the images, pixels.

        Raises:
            UserError: there are too few maps for it.
        """

    @abstractmethod
    def loss(self, outputs: Outputs, targets: Sequence[Target]) -> Tensor:
        """Returns a batch's loss, a scalar."""

    @abstractmethod
    def metric(self) -> DenseMetric:
        """Returns a measure that has counted nothing yet."""

    @abstractmethod
    def mirrored(self, target: Target, width: int) -> Target:
        """Returns what is true of an image once its left is its right; the argument stays as it is."""

    def files(self) -> dict[str, Any]:
        """Returns what lies beside the ONNX file, by the file's name: JSON that its outputs are read with."""
        return {}
