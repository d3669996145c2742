"""A training that begins with weights from elsewhere: what it takes, records and refuses, also after a stop."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from nastk.data.images import DataSource
from nastk.errors import UserError
from nastk.networks import build_network
from nastk.networks.stored import load_trained, save_trained
from nastk.seeds import derive_seed
from nastk.training.initial import Initial, begin_with, read_weights
from nastk.training.job import JOB, Job, read_job, write_job
from nastk.training.transfer import RunSettings, TransferSettings, train_final
from tests.training.small import CONFIG, few_digits, genotype

SETTINGS = TransferSettings(epochs=2, device="cpu", threads=1, batch=32)
OTHER = dataclasses.replace(CONFIG, classes=7)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return few_digits(tmp_path_factory.mktemp("data"))


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The folder of a network with another head."""
    folder = tmp_path / "other"
    folder.mkdir()
    torch.manual_seed(7)
    facts = {"normalisation": {"mean": [0.5], "std": [0.5]}, "classes": list("abcdefg"), "data": {"name": "letters"}}
    save_trained(folder, build_network(genotype(), OTHER), OTHER, genotype(), facts)
    return folder


def final(
    folder: Path, data: DataSource, initial: Initial | None, progress: Any = None, **changes: Any
) -> dict[str, Any]:
    settings = dataclasses.replace(SETTINGS, **changes)
    return train_final(genotype(), CONFIG, data, settings, folder, progress, None, initial)


def test_what_fits_is_taken_and_the_head_is_drawn_as_without_it(data: DataSource, other: Path, tmp_path: Path) -> None:
    initial = read_weights(other).initial
    still = {"learning_rate": 1e-12, "weight_decay": 0.0, "epochs": 1}  # after which the weights are those at the start
    final(tmp_path / "net", data, initial, **still)
    found, begun = (load_trained(place).network for place in (tmp_path / "net", other))
    torch.manual_seed(derive_seed(SETTINGS.seed, genotype().key, "transfer"))
    drawn = build_network(genotype(), CONFIG)
    for name, parameter in found.named_parameters():
        expected = (drawn if parameter.shape[0] == len(data.classes) else begun).get_parameter(name)
        assert torch.allclose(parameter, expected, atol=1e-6), name


def test_a_stopped_training_ends_with_the_same_and_other_weights_are_refused(
    data: DataSource, other: Path, tmp_path: Path
) -> None:
    initial = read_weights(other).initial
    final(tmp_path / "unbroken", data, initial)

    def stop(epoch: int, *_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        final(tmp_path / "broken", data, initial, stop)
    for wrong in (None, dataclasses.replace(initial, sha256="0" * 64)):
        with pytest.raises(UserError, match="holds another training .other weights to begin with, transfer.init"):
            final(tmp_path / "broken", data, wrong)
    final(tmp_path / "broken", data, initial)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("unbroken", "broken"))
    assert one == two
    record = json.loads((tmp_path / "broken" / "training.json").read_text())
    assert record.pop("initial_sha256") == initial.sha256
    assert list(record) == ["schema", "genotype", "network", "data", "settings", "run"]


def test_a_job_carries_the_weights_to_every_process(data: DataSource, tmp_path: Path) -> None:
    job = Job(genotype(), CONFIG, data, SETTINGS, RunSettings(), Initial("a/b", "0" * 64))
    write_job(tmp_path, job)
    assert read_job(tmp_path) == job
    found = json.loads((tmp_path / JOB).read_text())
    for wrong in ({"path": "a"}, {"path": 1, "sha256": "0"}, "a"):
        (tmp_path / JOB).write_text(json.dumps({**found, "initial": wrong}))
        with pytest.raises(UserError, match="job.json: initial is"):
            read_job(tmp_path)


def test_a_file_that_changed_or_does_not_fit_is_refused(other: Path, tmp_path: Path) -> None:
    initial = read_weights(other).initial
    with pytest.raises(UserError, match="is not the file that it was"):
        begin_with(dataclasses.replace(initial, sha256="0" * 64), build_network(genotype(), CONFIG), 1)
    wide = build_network(genotype(), dataclasses.replace(CONFIG, sizes={"cells": 1, "filters": 16}))
    with pytest.raises(UserError, match=r"does not fit: \d+ of \d+ tensors, .*of another shape"):
        begin_with(initial, wide, 1)


def test_what_is_no_file_of_weights_is_refused_in_one_line(other: Path, tmp_path: Path) -> None:
    cut, broken, pickled = tmp_path / "cut.safetensors", tmp_path / "nan.safetensors", tmp_path / "resnet.PTH"
    cut.write_bytes((other / "model.safetensors").read_bytes()[:1000])
    safetensors.torch.save_file({"fc.weight": torch.tensor([float("nan")])}, broken)
    torch.save({}, pickled)
    for path, told in (
        (cut, "not a safetensors file, or cut short"),
        (broken, "fc.weight holds a number that is not finite"),
        (pickled, "a pickled file, which can run code; expected .safetensors"),
        (tmp_path / "none.safetensors", "no such file"),
        (tmp_path, "has no model.safetensors, expected a folder as RUN/transfer/KEY"),
    ):
        with pytest.raises(UserError, match=told):
            read_weights(path)
    (other / "model.safetensors").write_bytes(broken.read_bytes())
    with pytest.raises(UserError, match="its SHA-256 is not the one in network.json"):
        read_weights(other)
    (other / "network.json").write_text('{"schema": 1}')
    with pytest.raises(UserError, match="network.json"):
        read_weights(other)
