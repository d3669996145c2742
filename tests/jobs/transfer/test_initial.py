"""`transfer.init` by network: a baseline with weights of its own is trained in its published size, or it is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import safetensors.torch
import torch

from nastk.data.sources import Digits
from nastk.errors import UserError
from nastk.jobs.transfer.baselines import Baseline, Baselines, made_for
from nastk.jobs.transfer.initial import SEARCHED, Beginnings, asked_beginnings, begun
from nastk.jobs.transfer.plan import TransferPlan
from nastk.jobs.transfer.size_choice import Sizing
from nastk.jobs.transfer.sizing import Limit
from nastk.jobs.transfer.transfer import _baselines
from nastk.networks import NetworkConfig
from nastk.runs.baselines import read_begun
from nastk.training.transfer import RunSettings, TransferSettings
from tests.networks.foreign.names import TORCHVISION, shapes_of
from tests.networks.foreign.test_names import drawn
from tests.networks.named import named

NAME = "squeezenet1_1"
IMAGES = NetworkConfig(classes=10, channels=1, size=64)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / f"{NAME}.safetensors"
    torch.manual_seed(0)
    safetensors.torch.save_file(dict(drawn(shapes_of(TORCHVISION[NAME]))), path)
    return str(path)


def plan(init: Beginnings, *limits: Limit) -> TransferPlan:
    sizing = Sizing(IMAGES, limits, {}, None, None)
    baselines: tuple[Baseline, ...] = made_for([NAME], IMAGES)
    training = (TransferSettings(), Digits(), RunSettings(), None)
    return TransferPlan(1, 1, sizing, *training, baselines=Baselines(baselines), init=init)


def test_a_baseline_with_weights_of_its_own_has_its_published_size_and_gets_them(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = asked_beginnings({NAME: file}, [NAME])
    (one,) = _baselines(tmp_path, plan(asked), [], [])
    assert one.network.sizes == {"depth_multiplier": 1, "width_multiplier": 1}
    (initial,) = begun([(one.told, one.genotype, one.network, one.baseline)], asked)
    assert initial is not None and initial.path == file
    said = capsys.readouterr().err
    assert f"(baseline {NAME}): begins with {file}: 50 of 52 tensors, 99.3% of the parameters" in said
    assert "by the names of torchvision's SqueezeNet" in said and "made for 1 channel(s) of 3" in said
    assert "classifier: 1000 classes there, 10 here" in said


def test_limits_that_the_published_size_breaks_leave_the_baseline_out(file: str, tmp_path: Path) -> None:
    asked = asked_beginnings({NAME: file}, [NAME])
    assert _baselines(tmp_path, plan(asked, Limit("params", 1e5, "transfer.max_params")), [], []) == []
    record = read_begun(tmp_path)
    assert record is not None and "the given size, depth x1, width x1, has params" in record.left_out[NAME]


def test_a_file_that_is_named_for_a_network_has_to_fit_and_one_for_all_has_to_fit_one(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    genotype, _ = named(NAME)
    narrow = dataclasses.replace(IMAGES, sizes={"width_multiplier": 0.5, "depth_multiplier": 1.0})
    whole = dataclasses.replace(IMAGES, sizes={"width_multiplier": 1.0, "depth_multiplier": 1.0})
    small, large = ("small", genotype, narrow, NAME), ("large", genotype, whole, None)
    for asked in (Beginnings(None, {NAME: file}), Beginnings(file)):
        with pytest.raises(UserError, match=f"does not fit small, .*half.*init={{{NAME}: FILE}} trains {NAME} in the"):
            begun([small], asked)
    assert capsys.readouterr().err == ""
    found = begun([small, large], Beginnings(file))
    assert found[0] is None and found[1] is not None
    assert "transfer small: from scratch: " in capsys.readouterr().err
    assert begun([small, large], Beginnings()) == [None, None]
    found = begun([small, large], Beginnings(None, {SEARCHED: file}))
    assert found[0] is None and found[1] is not None
