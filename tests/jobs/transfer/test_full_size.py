"""Networks of stages in a run: grown stage by stage until nearly all of the limits is used, recorded, kept."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from nastk.data.sources import Digits
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.genotype.scaling import Scaling
from nastk.genotype.small import for_images
from nastk.genotype.stages import Stage, StageGenotype
from nastk.jobs.filling import ENOUGH
from nastk.jobs.transfer.baselines import Baselines, made_for, named_network
from nastk.jobs.transfer.full_size import Full, claim, full_network
from nastk.jobs.transfer.plan import TransferPlan
from nastk.jobs.transfer.size_choice import Sizing
from nastk.jobs.transfer.sized import counted_cost, sized_network
from nastk.jobs.transfer.sizing import Limit
from nastk.jobs.transfer.trainings import Sized
from nastk.jobs.transfer.transfer import _baselines
from nastk.networks import NetworkConfig
from nastk.runs.baselines import read_baselines, read_begun
from nastk.runs.full_size import read_full_sizes
from nastk.training.transfer import RunSettings, TransferSettings

LIMIT = 108_000.0
GENOTYPE = StageGenotype(
    stem=(Stage("conv", 16),),
    stages=(Stage("depthwise_separable", 24, 2, 2), Stage("residual_basic", 32, 1, 2), Stage("rep_conv", 48, 2)),
    head=(),
)


def sizing(*limits: Limit, target: object = None, **sizes: float) -> Sizing:
    network = NetworkConfig(channels=1, size=16, sizes=sizes)
    facts = None if target is None else {"_target_": "a target"}
    return Sizing(network, limits or (Limit("params", LIMIT, "objective.max_params"),), {}, target, facts)  # type: ignore[arg-type]


class Clock:
    """A millisecond for each 10,000 parameters; a network takes 2 % longer when it is measured again."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        params = counted_cost(genotype, config)["params"]
        key = f"{genotype.key} {config.sizes}"
        self.asked[key] = self.asked.get(key, 0) + 1
        return {"params": params, "latency_ms": params / 10_000 * (1.02 if self.asked[key] > 1 else 1)}


def sized(run: Path, genotype: Genotype, how: Sizing) -> tuple[Full, Path]:
    """Returns a network in its size and the folder that it has claimed."""
    full, place = full_network(run, genotype, how)
    claim(run, genotype, how, place)
    return full, place


def test_it_uses_the_limit_and_its_folder_says_what_it_was(tmp_path: Path) -> None:
    (form, network), place = sized(tmp_path, GENOTYPE, sizing())
    params = counted_cost(form, network)["params"]
    assert ENOUGH * LIMIT <= params <= LIMIT
    assert place == tmp_path / "transfer" / form.key and form.key != GENOTYPE.key
    record = read_full_sizes(tmp_path)[form.key]
    assert (record.of, record.cost["params"]) == (GENOTYPE.key, params)
    uniform = sized_network(GENOTYPE, sizing(), tmp_path / "elsewhere")
    assert record.factors == uniform.sizes
    assert counted_cost(GENOTYPE, uniform)["params"] < params
    assert json.loads((place / "shape.json").read_text())["cost"] == record.cost


def test_a_latency_holds_when_the_clock_is_asked_again(tmp_path: Path) -> None:
    clock = Clock()
    (form, network), _ = sized(tmp_path, GENOTYPE, sizing(Limit("latency_ms", 10.0, "x"), target=clock))
    slow = 1.02 * counted_cost(form, network)["params"] / 10_000
    assert 9.3 < slow <= 10.0


def test_a_candidate_that_the_search_brought_to_the_limits_is_trained_as_it_was_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    ms = counted_cost(GENOTYPE, sizing().network.of(GENOTYPE))["params"] / 10_000
    judged = {}
    for used in (0.93, 1.0, 0.85, 1.03):
        limit = Limit("latency_ms", ms / used, "objective.max_latency_ms")
        how = dataclasses.replace(sizing(limit, target=clock), judged=True)
        (form, network), place = sized(tmp_path / str(used), GENOTYPE, how)
        judged[used] = form == GENOTYPE
        assert place.name == form.key and clock.cost(form, network)["latency_ms"] <= 1.02 * limit.value
        assert sized(tmp_path / str(used), GENOTYPE, how)[0] == (form, network)
        said = capsys.readouterr().err
        assert (f"as the search judged it: latency_ms {ms:.4g} of" in said) is judged[used]
        clock.asked.clear()
    assert judged == {0.93: True, 1.0: True, 0.85: False, 1.03: False}
    other = sizing(Limit("latency_ms", ms / 0.93, "transfer.max_latency_ms"), target=clock)
    sized(tmp_path / "not judged", GENOTYPE, other)
    assert "11 sizes measured" in capsys.readouterr().err


def test_what_was_sized_is_not_measured_again_and_keeps_its_folder(tmp_path: Path) -> None:
    clock = Clock()
    limit = Limit("latency_ms", 10.0, "objective.max_latency_ms")
    first = sized(tmp_path, GENOTYPE, sizing(limit, target=clock))
    asked = dict(clock.asked)
    assert full_network(tmp_path, GENOTYPE, sizing(limit, target=clock)) == first and clock.asked == asked
    (form, _), place = sized(tmp_path, GENOTYPE, sizing(dataclasses.replace(limit, value=5.0), target=clock))
    assert form != first[0].genotype and place != first[1]
    (place / "training.json").write_text("{}")
    with pytest.raises(UserError, match=r"full.json: .* sized otherwise .limits .*5.0.* there, .*7.0.* here"):
        full_network(tmp_path, GENOTYPE, sizing(dataclasses.replace(limit, value=7.0), target=clock))


def test_a_size_that_is_given_stays_and_so_does_one_of_an_earlier_version(tmp_path: Path) -> None:
    (form, network), place = sized(tmp_path / "given", GENOTYPE, sizing(width_multiplier=0.5))
    assert (form, network.sizes["width_multiplier"], place.name) == (GENOTYPE, 0.5, GENOTYPE.key)
    folder = tmp_path / "transfer" / GENOTYPE.key
    before = sized_network(GENOTYPE, sizing(), folder)
    assert full_network(tmp_path, GENOTYPE, sizing()) == ((GENOTYPE, before), folder)


@pytest.mark.parametrize("change", [{"key": "0" * 32}, {"sha256": ""}, {"cost": {"params": "many"}}])
def test_a_damaged_record_is_named(change: dict[str, object], tmp_path: Path) -> None:
    sized(tmp_path, GENOTYPE, sizing())
    path = tmp_path / "sized" / GENOTYPE.key / "full.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=r"full.json: .*(damaged|hash)"):
        full_network(tmp_path, GENOTYPE, sizing())


def test_networks_of_the_same_proportions_become_one(tmp_path: Path) -> None:
    """As a candidate does that is a known network made narrower: a transfer trains it once, by the candidate's name."""
    known = for_images(named_network("resnet18"), 16, 16)
    assert isinstance(known, StageGenotype)
    how = sizing(Limit("params", 200_000.0, "objective.max_params"))
    narrow = Scaling(0.5).genotype(known)
    (form, network), place = sized(tmp_path, narrow, how)
    baselines = Baselines(made_for(["resnet18"], network))
    training = (TransferSettings(), Digits(), RunSettings(), None)
    plan = TransferPlan(1, 2, how, *training, baselines=baselines)
    for _ in range(2):  # as it is when the transfer goes on
        assert _baselines(tmp_path, plan, [narrow.key], [Sized(form, network, place)]) == []
        begun = read_begun(tmp_path)
        assert begun is not None and begun.names == () and "grows into" in begun.left_out["resnet18"]
    assert read_baselines(tmp_path) == {} and read_full_sizes(tmp_path)[form.key].of == narrow.key
