"""Untrained candidates get a score that hangs on them alone, or fail in one line."""

from __future__ import annotations

import math
import pickle
import random
from typing import Any

import pytest
import torch

from nastk.data.sources import Digits
from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed
from nastk.evaluators.zero_cost import ZeroCostEvaluator
from nastk.networks import build_network
from nastk.spaces import NasnetSpace, from_arch_string, random_genotype
from nastk.training.seeds import isolated_rng
from nastk.zero_cost.prepared import draw_weights
from nastk.zero_cost.proxies import PROXIES

GENOTYPE = random_genotype(NasnetSpace(blocks=2), random.Random(0))


def evaluator(**given: Any) -> ZeroCostEvaluator:
    return ZeroCostEvaluator(data=Digits(), **{"network": {"filters": 4}, "batch": 16, "threads": 1, **given})


def never(epoch: int, accuracy: float) -> None:
    raise AssertionError("nothing is trained")


def test_the_score_is_the_sum_of_the_logarithms_of_the_proxies() -> None:
    found = evaluator(proxies=("synflow", "naswot", "params")).evaluate(GENOTYPE, never)
    alone = [evaluator(proxies=(name,)).evaluate(GENOTYPE, never) for name in ("synflow", "naswot", "params")]
    assert found["score"] == pytest.approx(sum(one["score"] for one in alone))
    assert found["log_synflow"] == alone[0]["score"]
    assert "accuracy" not in found
    config = evaluator().network_config
    with isolated_rng(5, torch.device("cpu")):
        network = build_network(GENOTYPE, config)
        draw_weights(network)
    params = PROXIES["params"](network, torch.zeros(1, 1, 8, 8), torch.zeros(1, dtype=torch.int64))
    assert found["log_params"] == pytest.approx(math.log(params))


def test_a_score_hangs_on_candidate_and_seed_alone() -> None:
    first = evaluator()
    found = first.evaluate(GENOTYPE, never)["score"]
    torch.manual_seed(7)
    first.evaluate(random_genotype(NasnetSpace(blocks=2), random.Random(1)), never)
    assert first.evaluate(GENOTYPE, never)["score"] == found
    assert pickle.loads(pickle.dumps(first)).evaluate(GENOTYPE, never)["score"] == found
    carried = first.carried()
    assert carried.evaluate(GENOTYPE, never)["score"] == found
    assert evaluator(seed=1).evaluate(GENOTYPE, never)["score"] != found


def test_a_network_that_no_image_passes_fails_in_one_line() -> None:
    none = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    with pytest.raises(
        EvaluationFailed, match="^synflow cannot tell what this network is worth: its logarithm is -inf$"
    ):
        evaluator(proxies=("synflow",)).evaluate(from_arch_string(none), never)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"proxies": ()}, r"evaluator.proxies=\[\]: expected at least one proxy"),
        ({"proxies": ("synflo",)}, "nearest is 'synflow'"),
        ({"proxies": ("snip", "snip")}, "names a proxy twice"),
        ({"batch": 1}, "evaluator.batch=1, expected a whole number from 2"),
        ({"network": {"size": 4}}, "network.size=4: follows from the data"),
        ({"device": "cuda:99"}, "device='cuda:99', expected auto or one of"),
    ],
)
def test_wrong_settings_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        evaluator(**given)
