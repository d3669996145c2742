"""Networks that are trained as one learn what each learns alone; without a GPU nothing is timed."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from nastk.networks import NetworkConfig
from nastk.training.recipe import Recipe
from tests.benchmarks.scripts import script

COUNT, BATCH, STEPS = 3, 6, 3
CLIP = 0.5  # below the norm of the gradients, so that it limits them


@pytest.fixture(scope="module")
def subject() -> object:
    made = script("training_sides").subjects(16)[1]
    return dataclasses.replace(made, config=NetworkConfig(cells=1, filters=4, size=8))


@pytest.fixture(scope="module")
def networks(subject: object) -> list[nn.Module]:
    return script("gpu_many").networks_of(subject, COUNT, torch.device("cpu"))


def trained(networks: list[nn.Module], form: type) -> tuple[list[torch.Tensor], object]:
    """Returns the losses of three steps, and what made them."""
    step = form(networks, Recipe(clip=CLIP))
    random = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(STEPS):
        images = torch.randn(COUNT, BATCH, 3, 8, 8, generator=random)
        losses.append(step(images, torch.randint(0, 10, (COUNT, BATCH), generator=random)))
    return losses, step


def test_networks_learn_as_one_what_each_learns_alone(networks: list[nn.Module]) -> None:
    forms = script("many_networks")
    alone = copy.deepcopy(networks)
    expected, _ = trained(alone, forms.one_after_another)
    found, stacked = trained(copy.deepcopy(networks), forms.AsOne)
    torch.testing.assert_close(torch.stack(found), torch.stack(expected))
    assert torch.stack(expected).std() > 0.01
    for index, network in enumerate(alone):
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(stacked.parameters[name][index], parameter)
        for name, buffer in network.named_buffers():
            torch.testing.assert_close(stacked.buffers[name][index], buffer)
        moved = [
            (one - first).abs().max()
            for one, first in zip(network.parameters(), networks[index].parameters(), strict=True)
        ]
        assert max(moved) > 1e-3


def test_every_way_is_timed_and_reported(subject: object, monkeypatch: pytest.MonkeyPatch) -> None:
    many, taken = script("gpu_many"), []

    def seconds(step: object, images: torch.Tensor, labels: torch.Tensor, steps: int) -> float:
        taken.append(step(images, labels))
        return 1.0

    monkeypatch.setattr(many, "seconds", seconds)
    monkeypatch.setattr(many, "captured", lambda step, images, labels: step)
    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 2**31)
    given = many.options().parse_args(["--batch", "4", "--rounds", "1", "--steps", "2"])
    rows = many.compare(subject, 2, given, torch.device("cpu"))
    assert len(rows) == 6 and len(taken) == 12 and all(losses.shape == (2,) for losses in taken)
    assert rows[0][:4] == ["32x32 RGB", 2, "one after another, launches", "16"]
    told = many.report(rows, given)
    assert (
        "| 32x32 RGB | 2 | as one, graph | 16 | 1.00 | 1.00 to 1.00 |" in told and "- memory at most: 2.0 GiB" in told
    )


def test_without_a_gpu_it_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    many = script("gpu_many")
    monkeypatch.setattr(many, "missing_gpu", lambda: "no NVIDIA GPU: made up")
    monkeypatch.setattr("sys.argv", ["gpu_many.py"])
    with pytest.raises(SystemExit) as ended:
        many.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "gpu_many.py: nothing timed: no NVIDIA GPU: made up\n"


def test_too_little_memory_is_a_row_and_what_was_measured_is_kept(
    subject: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many, asked = script("gpu_many"), []

    def compare(subject: object, count: int, *rest: object) -> list[list[object]]:
        asked.append(count)
        if count == 64:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [[subject.name, count, "as one", "16", "1.00", "1.00 to 1.00"]]

    monkeypatch.setattr(many, "compare", compare)
    monkeypatch.setattr(many, "subjects", lambda count: [subject])
    monkeypatch.setattr(many, "present_gpu", lambda: "NVIDIA A10")
    given = many.options().parse_args(["--counts", "1", "64", "4", "--work", str(tmp_path)])
    for _ in range(2):
        rows = many.measured(given, torch.device("cpu"))
        assert [row[1:3] for row in rows] == [[1, "as one"], [64, "out of memory"], [4, "as one"]]
    assert asked == [1, 64, 4]
    monkeypatch.setattr(many, "present_gpu", lambda: "Tesla T4")
    many.measured(given, torch.device("cpu"))
    assert asked == [1, 64, 4] * 2, "another GPU's rows are not taken"
