"""Images reach the network as training showed them."""

import numpy as np
import pytest
import torch

from nastk.deploy.images import balanced, check_source, normalised
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from tests.deploy.source import Source, made


def test_normalised_is_what_the_manifest_says() -> None:
    pixels = torch.tensor([[[[0, 255]], [[51, 102]]]], dtype=torch.uint8)
    found = normalised(pixels, [0.5, 0.1], [0.25, 2.0])
    assert found.dtype == np.float32
    assert found.ravel().tolist() == pytest.approx([-2.0, 2.0, 0.05, 0.15])


def test_normalised_is_what_training_feeds() -> None:
    from nastk.data.images import Images
    from nastk.data.normalisation import Normalisation

    pixels = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    mean, std = (0.2, 0.3, 0.4), (0.1, 0.2, 0.3)
    from nastk.training.batches import in_order

    batches = in_order(Images(pixels, torch.zeros(2, dtype=torch.int64)), Normalisation(mean, std), torch.device("cpu"))
    fed = torch.cat([x for x, _ in batches])
    assert np.abs(normalised(pixels, mean, std) - fed.numpy()).max() < 1e-6


def test_balanced_takes_all_classes_in_turn_and_no_image_twice() -> None:
    labels = torch.tensor([0] * 90 + [1] * 6 + [2] * 4)
    source = made(labels)
    chosen = balanced(source, 12)
    assert torch.bincount(labels[chosen[:, 0, 0, 0].long()]).tolist() == [4, 4, 4]
    everything = balanced(source, 1000)[:, 0, 0, 0]
    assert sorted(everything.tolist()) == list(range(100))
    assert torch.equal(balanced(source, 12), chosen)
    assert not torch.equal(balanced(source, 12, seed=1), chosen)


def test_data_that_the_network_was_not_trained_on_are_refused() -> None:
    config = NetworkConfig(size=8, channels=1, classes=2)
    check_source(Source(), config, ["0", "1"])
    with pytest.raises(UserError, match=r"data made: images of shape \(1, 8, 8\), the network takes \(3, 8, 8\)"):
        check_source(Source(), NetworkConfig(size=8, channels=3, classes=2), ["0", "1"])
    with pytest.raises(UserError, match="data made: classes 0, 1, the network knows cat, dog"):
        check_source(Source(), config, ["cat", "dog"])
