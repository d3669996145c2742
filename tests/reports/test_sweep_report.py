"""A sweep's report: fair comparisons, plain sentences, and no claim that the seeds do not carry."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from nastk.errors import UserError
from nastk.reports import write_sweep_report
from nastk.reports.run_config import controller_name, parse_config
from nastk.spaces import NasBench201Space, random_genotype
from tests.reports import folders

RANDOM, TPE = "optuna.samplers.RandomSampler", "optuna.samplers.TPESampler"
CELL = random_genotype(NasBench201Space(), random.Random(0))


def add_run(sweep: Path, sampler: str, seed: int, gain: float = 0.0, count: int = 60) -> Path:
    """Adds a run whose accuracies are the seed's noise and, from the tenth candidate on, a gain."""
    noise = np.random.default_rng([seed, len(sampler)]).normal(0.85, 0.02, size=count)
    values = np.clip(noise + gain * (np.arange(count) >= 10), 0, 1)
    rows = [folders.row(index, "complete", CELL, {"accuracy": float(value)}) for index, value in enumerate(values)]
    folder = sweep / f"{sampler.rpartition('.')[2]}-{seed}-{len(list(sweep.glob('*')))}"
    return folders.write_run(folder, rows, sampler=sampler, seed=seed)


def controllers(sweep: Path) -> dict[str, dict[str, object]]:
    """Returns sweep.json's controllers of the first setup by name."""
    data = json.loads((sweep / "sweep.json").read_text())
    return {entry["name"]: entry for entry in data["setups"][0]["controllers"]}


def test_a_better_controller_is_called_better_from_where_it_is(tmp_path: Path) -> None:
    for seed in range(7):
        add_run(tmp_path, RANDOM, seed)
        add_run(tmp_path, TPE, seed, gain=0.05)
    path = write_sweep_report(tmp_path)
    found = controllers(tmp_path)
    assert list(found) == ["random", "tpe"]
    assert found["tpe"]["sentence"] == "tpe is better than random from 25 evaluations on (p = 0.0078, 7 seeds)."
    assert found["random"]["finding"] is None
    assert str(found["tpe"]["sentence"]) in path.read_text()
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_a_controller_that_is_no_better_is_said_not_to_be(tmp_path: Path) -> None:
    for seed in range(6):
        add_run(tmp_path, RANDOM, seed)
        add_run(tmp_path, TPE, seed)
    write_sweep_report(tmp_path)
    sentence = str(controllers(tmp_path)["tpe"]["sentence"])
    assert sentence.startswith("tpe is not better than random at any budget up to 60 (p = ")


def test_four_seeds_are_too_few_and_only_shared_ones_count(tmp_path: Path) -> None:
    for seed in range(6):
        add_run(tmp_path, RANDOM, seed)
        add_run(tmp_path, TPE, seed + 2, gain=0.1)
    write_sweep_report(tmp_path)
    assert controllers(tmp_path)["tpe"]["finding"] == "too few seeds"


def test_mean_and_deviation_are_of_the_best_so_far(tmp_path: Path) -> None:
    bests = []
    for seed in range(3):
        folder = add_run(tmp_path, RANDOM, seed)
        rows = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
        bests.append(max(row["metrics"]["accuracy"] for row in rows[:25]))
    write_sweep_report(tmp_path)
    [entry] = [line for line in controllers(tmp_path)["random"]["budgets"] if line["evaluations"] == 25]  # type: ignore[attr-defined]
    assert entry == {
        "evaluations": 25,
        "mean": pytest.approx(np.mean(bests)),
        "std": pytest.approx(np.std(bests, ddof=1)),
        "seeds": 3,
    }


def test_without_random_search_nothing_is_claimed(tmp_path: Path) -> None:
    for seed in range(6):
        add_run(tmp_path, TPE, seed)
    assert "nothing says whether tpe is better than chance" in write_sweep_report(tmp_path).read_text()


def test_runs_of_different_settings_are_not_compared_with_each_other(tmp_path: Path) -> None:
    for seed in range(5):
        add_run(tmp_path, RANDOM, seed)
        other = add_run(tmp_path, TPE, seed, gain=0.1) / "config.yaml"
        other.write_text(other.read_text().replace("blocks: 5", "blocks: 4"))
    page = write_sweep_report(tmp_path).read_text()
    data = json.loads((tmp_path / "sweep.json").read_text())
    assert [setup["name"] for setup in data["setups"]] == ["space.blocks=5", "space.blocks=4"]
    assert "is better than random" not in page
    assert (tmp_path / "sweep-2.png").exists()


def test_two_settings_of_one_controller_are_told_apart(tmp_path: Path) -> None:
    for seed in range(5):
        add_run(tmp_path, RANDOM, seed)
        for population in (10, 50):
            config = add_run(tmp_path, TPE, seed) / "config.yaml"
            config.write_text(config.read_text().replace("TPESampler", f"TPESampler, population: {population}"))
    write_sweep_report(tmp_path)
    assert list(controllers(tmp_path)) == ["random", "tpe (population=10)", "tpe (population=50)"]


def test_what_cannot_be_compared_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        write_sweep_report(tmp_path / "none")
    with pytest.raises(UserError, match="no run folder in it"):
        write_sweep_report(tmp_path)
    first = add_run(tmp_path, RANDOM, 0)
    second = add_run(tmp_path, RANDOM, 0)
    with pytest.raises(UserError, match="both are random with seed 0; take one out"):
        write_sweep_report(tmp_path)
    (second / "config.yaml").write_text("controller: random\n")
    with pytest.raises(UserError, match=r"config.yaml: no seed"):
        write_sweep_report(tmp_path)
    (second / "config.yaml").unlink()
    with pytest.raises(UserError, match=r"config.yaml: cannot be read"):
        write_sweep_report(tmp_path)
    (second / "config.yaml").write_text((first / "config.yaml").read_text().replace("seed: 0", "seed: 1"))
    (second / "trials.jsonl").write_text("")
    with pytest.raises(UserError, match="no candidate was trained yet"):
        write_sweep_report(tmp_path)
    assert not (tmp_path / "sweep.html").exists()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("controller: evolution", "evolution"),
        ("controller: {_target_: nastk.controllers.PerTrial, sampler: optuna.samplers.NSGAIISampler}", "nsga2"),
        ("controller: {_target_: nastk.controllers.RegularizedEvolution, population: 10}", "evolution"),
        ("controller: {_target_: nastk.controllers.Reinforce}", "reinforce"),
        ("seed: 1", "unknown"),
    ],
)
def test_a_controllers_name_is_the_short_one(text: str, name: str) -> None:
    assert controller_name(parse_config(text, Path("config.yaml"))) == name
