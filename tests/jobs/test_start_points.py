"""The known networks that a search begins with, in the forms that it asks for."""

import pytest

from nastk.config.build import build, load_yaml, shipped
from nastk.genotype.stages import StageGenotype
from nastk.jobs.start_points import KNOWN
from nastk.jobs.transfer.baselines import named_network
from nastk.networks import NetworkConfig, build_network
from nastk.spaces import StageSpace, replay
from nastk.spaces.nearest import nearest_choices

SIDE, LEAST = 32, 4
FORMS = {(name, fitted.__name__.strip("_")): fitted for name, fitted in KNOWN}


def formed(name: str, form: str) -> StageGenotype:
    found = FORMS[name, form](named_network(name), SIDE, SIDE, LEAST)
    assert isinstance(found, StageGenotype)
    return found


def params(genotype: StageGenotype) -> int:
    network = build_network(genotype, NetworkConfig(classes=10, channels=3, size=SIDE))
    return sum(one.numel() for one in network.parameters())


def test_the_plain_network_is_the_shallow_one_without_shortcuts() -> None:
    shallow, plain = formed("resnet18", "shallow"), formed("resnet18", "plain")
    assert [stage.depth for stage in shallow.stages] == [1, 1, 1]
    assert [(stage.block, stage.width, stage.depth, stage.stride) for stage in plain.stages] == [
        *(("conv", 64, 2, 1), ("conv", 128, 2, 2), ("conv", 256, 2, 2)),
    ]
    # The shortcuts from 64 to 128 and from 128 to 256 channels are 1x1 convolutions with normalisation.
    shortcuts = 64 * 128 + 2 * 128 + 128 * 256 + 2 * 256
    assert params(shallow) - params(plain) == shortcuts


@pytest.mark.parametrize("form", ["shallow", "plain"])
def test_shallow_networks_are_in_the_space_as_they_are(form: str) -> None:
    space = build(load_yaml(shipped("search_spaces") / "mobile.yaml"), "space", StageSpace, size=SIDE)
    found = formed("resnet18", form)
    choices = nearest_choices(space, found)
    assert choices is not None
    near = replay(space, choices)
    assert isinstance(near, StageGenotype)
    assert [(one.block, one.depth, one.stride) for one in near.body] == [
        (one.block, one.depth, one.stride) for one in found.body
    ]
    assert near.classifier == found.classifier


def test_a_network_that_small_images_do_not_shorten_has_no_shallow_form() -> None:
    for form in ("shallow", "plain"):
        assert FORMS["resnet18", form](named_network("resnet18"), 224, 224, LEAST) is None
