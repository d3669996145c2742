"""Layers that int8 costs most: found where they were planted, kept in float32, as few as suffice."""

import dataclasses

import numpy as np
import pytest

from nastk.deploy.emittable import Emittable, emittable
from nastk.deploy.onnx.graph_index import WEIGHTED
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.kept_float import float_stems, idle_nodes
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.precision.scheme import ARM, X86, Scheme
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.tuning.sensitivity import Sensitivity, keep_worst, rank_layers
from nastk.networks import NetworkConfig
from tests.deploy.hurt import hurt
from tests.deploy.networks import genotype, images, network

# The reductions of NAS-Bench-201's skeleton are the only places where a normalisation, a ReLU and a convolution follow
# each other; each has a convolution before and one after the channel that is made too great.
PLANTED = {f"stages_{stage}_convolutions_{place}" for stage in (1, 3) for place in (1, 4)}
X, MORE = images(32, 3, 16, 16, seed=1).numpy(), images(32, 3, 16, 16, seed=2).numpy()


@pytest.fixture(scope="module")
def hurt_source() -> Emittable:
    module = network("nasbench201", 1)
    hurt(module, 300.0)
    config = NetworkConfig(cells=1, filters=8, size=16)
    return emittable(module, config, genotype("nasbench201", 1).key, X)


def noise(source: Emittable, scheme: Scheme) -> float:
    """Returns the logits' error in int8, as a share of their spread."""
    exact = predict(open_session(serialise(source.model)), MORE)
    error = predict(open_session(serialise(source.quantized(scheme)), exact=True), MORE) - exact
    return float(np.sqrt((error**2).mean()) / exact.std())


@pytest.mark.parametrize("scheme", [X86, ARM], ids=lambda scheme: scheme.name)
def test_the_planted_layers_are_the_worst_and_float_heals_them(hurt_source: Emittable, scheme: Scheme) -> None:
    ranking = rank_layers(hurt_source, X, scheme)
    weighted = {node.name for node in hurt_source.model.graph.node if node.op_type in WEIGHTED}
    stems = float_stems(hurt_source.model, scheme)
    assert len(stems) == (scheme is X86)  # in float in any case, so there is nothing to rank
    assert {layer.node for layer in ranking} == weighted - stems
    assert {layer.node for layer in ranking[:4]} == PLANTED
    assert ranking[3].sqnr_db + 2 < ranking[4].sqnr_db
    healed = dataclasses.replace(hurt_source, keep_float=frozenset(PLANTED))
    assert noise(hurt_source, scheme) > 0.3
    assert noise(healed, scheme) < 0.1


def test_a_layer_is_named_by_cell_and_edge(hurt_source: Emittable) -> None:
    found = {layer.node: layer.where for layer in rank_layers(hurt_source, X[:4])}
    assert found["stages_0_edges_3_1"] == "Conv node 'stages_0_edges_3_1' (cell 0, edge 3)"


@pytest.mark.parametrize("needed", [0, 1, 2, 3, 5, 8, 11, 12])
def test_as_few_layers_as_suffice_are_kept(needed: int) -> None:
    ranking = [Sensitivity(f"layer{index}", "", float(index)) for index in range(12)]
    asked = []

    def accuracy(kept: frozenset[str]) -> float:
        asked.append(len(kept))
        return 0.9 if len(kept) >= needed else 0.5

    kept, reached = keep_worst(ranking, accuracy, 0.89)
    assert kept == {f"layer{index}" for index in range(needed)}
    assert reached == 0.9
    assert len(asked) <= 9


def test_all_layers_are_kept_where_fewer_do_not_suffice() -> None:
    ranking = [Sensitivity(f"layer{index}", "", float(index)) for index in range(5)]
    kept, reached = keep_worst(ranking, lambda kept: 0.1 * len(kept), 0.9)
    assert (len(kept), reached) == (5, 0.5)


def test_what_lies_between_layers_in_float_is_in_float_and_nothing_else(hurt_source: Emittable) -> None:
    model = hurt_source.model
    assert idle_nodes(model, ()) == frozenset()
    assert idle_nodes(model, ["stages_1_convolutions_1"]) == {f"stages_1_convolutions_{n}" for n in (0, 3)}
    everything = {node.name for node in model.graph.node if node.op_type in WEIGHTED}
    others = {node.name for node in model.graph.node} - everything
    assert idle_nodes(model, everything) == others
    whole = quantized_model(model, hurt_source.ranges, X86, everything)
    assert not [node for node in whole.graph.node if node.op_type == "QuantizeLinear"]
