"""The ranges that an untrained network is timed with begin at zero where measured ones do, so that as much is int8."""

import pytest
import torch
from torch import nn

from nastk.deploy.onnx.graph_index import WEIGHTED
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.quantize import assumed_ranges, quantized_model
from nastk.deploy.precision.scheme import X86
from nastk.genotype.small import for_images
from nastk.jobs.transfer.baselines import named_network
from nastk.networks import NetworkConfig, build_network
from tests.deploy.int8 import beside_stems
from tests.deploy.networks import enliven, images

# Concatenations, pooling, shuffled and divided channels, attention.
NAMES = ("googlenet", "shufflenet_v1", "shufflenet_v2_x1_0", "densenet121", "mobilenet_v3_small", "xception")


def untrained(name: str) -> nn.Module:
    """Returns a network of conf/network, narrow and shallow, whose normalisations shift as those of a trained one."""
    sizes = {"depth_multiplier": 0.25, "width_multiplier": 0.125}
    config = NetworkConfig(sizes=sizes, classes=10, channels=3, size=32)
    torch.manual_seed(0)
    return enliven(build_network(for_images(named_network(name), 32, 32), config))


@pytest.mark.parametrize("name", NAMES)
def test_ranges_begin_at_zero_where_measured_ones_do(name: str) -> None:
    model = quick_model(untrained(name), (1, 3, 32, 32))
    measured, assumed = tensor_ranges(model, images(64, 3, 32, 32, seed=1).numpy()), assumed_ranges(model)
    assert assumed.keys() == measured.keys()
    # What a convolution gives may happen to be positive throughout; nobody can know that beforehand.
    made = [name for node in model.graph.node if node.op_type not in WEIGHTED for name in node.output]
    assert {name for name in made if assumed[name][0] == 0} == {name for name in made if measured[name][0] >= 0}


def test_every_convolution_of_an_untrained_googlenet_is_timed_in_int8(tmp_path) -> None:
    model, path = quick_model(untrained("googlenet"), (1, 3, 32, 32)), tmp_path / "model.onnx"
    path.write_bytes(serialise(quantized_model(model, assumed_ranges(model))))
    share = beside_stems(int8_share(path), X86)
    assert share.in_int8 == share.convolutions == 56  # of 57 in Szegedy et al., CVPR 2015, and the stem in float32
