"""What every target must keep, run over each file of conf/target: a new one is tested on the day that it is written."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from nastk.config.build import build, load_yaml, shipped
from nastk.deploy.emittable import Emittable, emittable
from nastk.deploy.targets import Target
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from tests.deploy.networks import genotype, images, network
from tests.marks import mostly_slow

CONFIG = NetworkConfig(cells=1, filters=4, size=16)
NAMES = sorted(path.stem for path in (shipped("conf") / "target").glob("*.yaml"))
GIVEN = {"remote": {"host": "nowhere"}, "adb": {"binary": "nowhere"}}
ELSEWHERE = set(GIVEN)


def built(name: str, **changes: object) -> Target:
    node = load_yaml(shipped("conf") / "target" / f"{name}.yaml")
    target: Target = build(OmegaConf.merge(node, GIVEN.get(name, {}), changes), "target")
    return target


@pytest.fixture(scope="module")
def source() -> Emittable:
    return emittable(network("nasbench201", filters=4), CONFIG, "abc", images(16, 3, 16, 16).numpy())


@pytest.mark.parametrize("name", NAMES)
def test_is_a_frozen_value_of_json_filed_under_its_own_name(name: str) -> None:
    target = built(name)
    assert target.name == name
    fields = dataclasses.asdict(target)  # type: ignore[call-overload]
    assert json.loads(json.dumps(fields)) == fields, "an export is kept where these are equal"
    with pytest.raises(dataclasses.FrozenInstanceError):
        target.batch = 2  # type: ignore[misc, attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_names_its_files_the_reference_first(name: str) -> None:
    target = built(name)
    files = [*target.files.values(), *target.extras]
    assert next(iter(target.files)) == "fp32"
    assert len(set(files)) == len(files)
    assert all(Path(file).name == file for file in files)


@pytest.mark.parametrize("name", NAMES)
def test_refuses_what_it_cannot_measure_in(name: str) -> None:
    with pytest.raises(UserError, match="precision.*'int3'.*nearest is"):
        built(name, precision="int3")
    with pytest.raises(UserError, match="seconds=0"):
        built(name, seconds=0)
    with pytest.raises(UserError, match="batch=0"):
        built(name, batch=0)


@pytest.mark.parametrize("name", NAMES)
def test_says_in_one_line_what_this_machine_lacks(name: str) -> None:
    target = built(name)
    for reason in (target.cannot_run(), target.cannot_time()):
        assert reason is None or (reason and "\n" not in reason)


# ExecuTorch compiles for a minute; test_mobile.py holds its files to the network every time.
@pytest.mark.parametrize("name", mostly_slow(set(NAMES) - ELSEWHERE, usual=set(NAMES) - {"executorch"}))
def test_writes_its_files_which_answer_like_the_network(name: str, source: Emittable, tmp_path: Path) -> None:
    target = built(name)
    try:
        target.check()
    except UserError as error:
        pytest.skip(str(error))
    target.emit(source, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*target.files.values(), *target.extras}
    json.dumps(target.facts(tmp_path), allow_nan=False)
    if target.cannot_run() is not None:
        return
    pixels = images(8, 3, 16, 16, seed=1).numpy()
    logits = {precision: target.runner(tmp_path / file)(pixels) for precision, file in target.files.items()}
    greatest = np.abs(logits["fp32"]).max()
    for precision, found in logits.items():
        assert found.dtype == np.float32 and found.shape == (8, 10)
        allowed = {"fp16": 0.02, "bf16": 0.05, "int8": 0.5}.get(precision, 1e-6)
        assert np.abs(found - logits["fp32"]).max() < allowed * greatest


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ELSEWHERE])
def test_measures_a_candidate_or_says_why_not(name: str) -> None:
    target = built(name, seconds=0.05)
    try:
        target.check()
    except UserError as error:
        pytest.skip(str(error))
    reason = target.cannot_time()
    if reason is not None:
        with pytest.raises(UserError, match=f"^target {name}: "):
            target.cost(genotype("nasbench201"), CONFIG)
        return
    cost = target.cost(genotype("nasbench201"), CONFIG)
    own = {"microcontroller": {"ram_kb", "flash_kb"}}.get(name, set())
    assert set(cost) == {"latency_ms", "latency_steady", "params", "macs", "memory_mb", "size_mb", *own}
    assert cost.pop("latency_steady") in (0, 1)
    assert min(cost.values()) > 0
