"""CIFAR-100 (Krizhevsky 2009) from its official binary or python version: 100 classes in 20 groups of five."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from nastk.data.images import ImageSet
from nastk.data.sources.cifar import Cifar, Layout, class_names, files_of
from nastk.data.sources.download import Published
from nastk.errors import unknown

FINE = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
    motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
    poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
    squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
    wardrobe whale willow_tree wolf woman worm
"""
COARSE = """
    aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture
    insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores
    medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2
"""
KINDS = {"coarse": tuple(COARSE.split()), "fine": tuple(FINE.split())}  # in the order of a record's two label bytes


@dataclass(frozen=True, kw_only=True)
class Cifar100(Cifar):
    """50,000 photographs for training and 10,000 for testing, fewer where the files hold fewer; see `Cifar`.

    Attributes:
        labels: "fine" for the 100 classes, "coarse" for the 20 groups.
    """

    labels: Literal["fine", "coarse"] = "fine"

    name: ClassVar[str] = "cifar100"
    binary: ClassVar[Layout] = Layout("cifar-100-binary", ("train",), "test", ".bin")
    python: ClassVar[Layout] = Layout("cifar-100-python", ("train",), "test", "")
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "cifar-100-binary.tar.gz",
            168_513_733,
            "03b5dce01913d631647c71ecec9e9cb8",
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            (
                "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
                "https://cave.cs.toronto.edu/kriz/cifar-100-binary.tar.gz",
            ),
            files_of(binary, python),
        ),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels not in KINDS:
            raise unknown("labels of data cifar100", self.labels, KINDS)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes or groups, from the set's own list where it is there."""
        folder, layout = self._found()
        key = f"{self.labels}_label_names"
        meta = f"{key}.txt" if layout is self.binary else "meta"
        return class_names(self.name, folder, layout, meta, key, KINDS[self.labels])

    def train(self) -> ImageSet:
        """Returns the images of the training file."""
        return self._part("train")

    def test(self) -> ImageSet:
        """Returns the images of the test file."""
        return self._part("test")

    def _part(self, part: str) -> ImageSet:
        return self._read(part, labels=2, column=tuple(KINDS).index(self.labels), key=f"{self.labels}_labels")
