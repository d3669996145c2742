"""`transfer.prune`: a candidate is trained wide, narrowed to the limit and trained again; what is killed goes on."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from nastk.data.sources import Digits
from nastk.genotype.stages import Stage, StageGenotype
from nastk.jobs.transfer import pruned
from nastk.jobs.transfer.plan import TransferPlan
from nastk.jobs.transfer.pruned import FIRST_WEIGHTS, wide_network
from nastk.jobs.transfer.size_choice import Sizing
from nastk.jobs.transfer.sized import NoSizeFits
from nastk.jobs.transfer.sizing import Limit
from nastk.jobs.transfer.trainings import Sized
from nastk.networks import NetworkConfig
from nastk.networks.stored import load_trained
from nastk.reports import final_table
from nastk.runs.failed import read_failures
from nastk.runs.pruned import Pruning, read_pruning, write_pruning
from nastk.training.failure import TrainingFailed
from nastk.training.teacher import trained_teacher
from nastk.training.transfer import RunSettings, TransferSettings
from tests.commands import call, run

Capture = pytest.CaptureFixture[str]
LIMIT = 20_000
SEARCH = (
    *("+space=mobile", "trials=1", "evaluator.epochs=1", "evaluator.threads=1", "target.seconds=0.02"),
    *("controller=random", "controller.start_from=null", "at_budget=false", "data=digits", "data.subset=100"),
)
TRANSFER = (
    *("baselines=[]", "training.epochs=1", "training.threads=1", f"transfer.max_params={LIMIT}"),
    *("transfer.prune=true", "transfer.prune_from=3", "transfer.prune_taught=true"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose candidate was narrowed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    call("search", f"run={folder}", *SEARCH)
    call("transfer", f"run={folder}", *TRANSFER)
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def only(folder: Path) -> Path:
    (found,) = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return found


def contents(run: Path) -> dict[str, bytes]:
    """Returns every file of a run's networks, without what a clock says."""
    paths = [path for name in ("unpruned", "transfer") for path in run.glob(f"{name}/*/*") if path.suffix != ".lock"]
    found = {str(path.relative_to(run)): path.read_bytes() for path in paths}
    for name in [name for name in found if name.endswith("metrics.json")]:
        found[name] = json.dumps({**json.loads(found[name]), "seconds": 0}).encode()
    return found


def pruning(folder: Path) -> Pruning:
    record = read_pruning(folder)
    assert record is not None
    return record


def test_the_wide_network_is_cut_to_the_limit_and_teaches_what_is_left_of_it(whole: Path) -> None:
    wide, narrow = only(whole / "unpruned"), only(whole / "transfer")
    record = pruning(narrow)
    before, after = load_trained(wide), load_trained(narrow)
    sizes = [sum(weight.numel() for weight in one.network.parameters()) for one in (before, after)]
    assert sizes[1] <= LIMIT < sizes[0] <= 3 * LIMIT
    assert record == pruning(wide) and (record.of, record.key) == (wide.name, narrow.name)
    assert after.genotype.key == narrow.name
    assert [step.cost_after["params"] for step in record.steps][-1] == sizes[1] == record.cost["params"]
    assert record.steps[0].cost_before["params"] == sizes[0]
    cut = [step for step in record.steps if step.after < step.before]
    regained = record.steps[len(cut) :]  # what the limit had room for after the last cut
    assert len(cut) > 1 and all(step.after > step.before for step in regained)
    lost = [step.lost for step in cut]
    assert lost == sorted(lost) and lost[-1] > 0  # a channel that is never on scores nothing
    back = [lost[-1], *(step.lost for step in regained)]
    assert back == sorted(back, reverse=True)
    training = json.loads((narrow / "training.json").read_text())
    assert training["initial_sha256"] == record.weights_sha256
    assert training["teacher"]["sha256"] == trained_teacher(wide).sha256


def test_table_and_report_know_of_which_candidate_it_is(whole: Path, copy: Path, capsys: Capture) -> None:
    (row,) = final_table(whole)
    trial = json.loads((whole / "trials.jsonl").read_text())
    assert row.key == only(whole / "transfer").name != trial["key"]
    assert row.search_accuracy == trial["metrics"]["accuracy"]
    assert row.size.limits == {"params": LIMIT} and row.broken == ()
    assert run(capsys, "report", f"run={copy}").code == 0
    title = f"narrowed from {trial['key'][:10]} ({row.key[:10]}), the one to ship"
    assert title in (copy / "report.html").read_text()


def test_a_run_that_is_killed_between_two_steps_comes_to_the_same(whole: Path, copy: Path, capsys: Capture) -> None:
    wide = only(copy / "unpruned")
    record = pruning(wide)
    cut = dataclasses.replace(record, steps=record.steps[:1], key="", weights_sha256="", cost={})
    write_pruning(wide, cut)
    (wide / FIRST_WEIGHTS).unlink()
    shutil.rmtree(copy / "transfer")
    again = run(capsys, "transfer", f"run={copy}", *TRANSFER)
    assert again.code == 0 and "(trained before)" in again.err
    assert contents(copy) == contents(whole)
    finished = run(capsys, "transfer", f"run={copy}", *TRANSFER)
    assert finished.err.count("(trained before)") == 2 and "narrowed to" not in finished.err
    assert contents(copy) == contents(whole)


def test_a_damaged_record_or_other_limits_get_one_line(copy: Path, capsys: Capture) -> None:
    path = only(copy / "unpruned") / "prune.json"
    intact = path.read_text()
    for damaged in (intact[:200], intact.replace('"lost": ', '"lost": 1')):
        path.write_text(damaged)
        assert str(path) in run(capsys, "transfer", f"run={copy}", *TRANSFER).line
    path.write_text(intact)
    other = run(capsys, "transfer", f"run={copy}", *TRANSFER, "transfer.max_params=15000")
    assert "holds a network sized otherwise" in other.line
    (path.parent / FIRST_WEIGHTS).write_bytes(b"")
    shutil.rmtree(copy / "transfer")
    assert FIRST_WEIGHTS in run(capsys, "transfer", f"run={copy}", *TRANSFER).line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("+space=nasnet", "objective.max_params=1e5"), "expected a space of stages"),
        (("+space=mobile",), "expected a limit to narrow to"),
        (("+space=mobile", "objective.max_params=1e5", "+transfer.width_multiplier=2"), "no transfer.width_multiplier"),
        (("+space=mobile", "objective.max_params=1e5", "transfer.prune_from=1"), "transfer.prune_from=1"),
        (("+space=mobile", "objective.max_params=1e5", "transfer.init=x.safetensors"), "transfer.init"),
        (("+space=mobile", "objective.max_params=1e5", "transfer.prune=2"), "transfer.prune=2"),
    ],
)
def test_what_cannot_be_is_refused_before_the_search(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "run"
    words = (f"run={folder}", "data=digits", "baselines=[]", "transfer.prune=true", *arguments)
    assert message in run(capsys, "pipeline", *words).line
    assert not folder.exists()


@pytest.mark.parametrize(
    ("stage", "limit", "times", "message"),
    [
        (Stage("shuffle_v1", 240), 150_000, 1.5, "nothing of it can be narrowed: .*shuffle_v1"),
        (Stage("residual_basic", 64, depth=3), 2_500, 16.0, "the narrowest that it can become has params"),
    ],
)
def test_a_network_that_cannot_be_narrowed_so_far_is_left_out(
    stage: Stage, limit: int, times: float, message: str, tmp_path: Path
) -> None:
    genotype = StageGenotype((stage,), stem=(Stage("conv", 8, options=(("norm", False),)),))
    sizing = Sizing(NetworkConfig(channels=1, size=8), (Limit("params", limit, "transfer.max_params"),), {}, None, None)
    plan = TransferPlan(1, 1, sizing, TransferSettings(), Digits(), RunSettings(), None, prune=times)
    with pytest.raises(NoSizeFits, match=message):
        wide_network(tmp_path, plan, genotype.key, genotype)


def test_a_wide_network_that_diverges_is_left_out_where_another_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverges(told: str, *given: object) -> None:
        raise TrainingFailed(wide.place, "diverged: the training loss is nan in epoch 1")

    monkeypatch.setattr(pruned, "trained_alone", diverges)
    network = NetworkConfig(channels=1, size=8)
    wide, known = (
        Sized(StageGenotype((Stage("conv", width),)), network, tmp_path / place / f"of{width}", baseline)
        for width, place, baseline in ((16, "unpruned", None), (8, "transfer", "resnet18"))
    )
    wide.place.mkdir(parents=True)
    recipe, sizing = TransferSettings(threads=1), Sizing(network, (), {}, None, None)
    plan = TransferPlan(1, 1, sizing, recipe, Digits(), RunSettings(), None, prune=1.5)
    assert pruned.pruned_networks(tmp_path, plan, recipe, None, [wide, known]) == [known]
    assert read_failures(tmp_path) == {"of16": "diverged: the training loss is nan in epoch 1"}
    with pytest.raises(TrainingFailed, match=f"transfer {wide.place}: diverged"):
        pruned.pruned_networks(tmp_path, plan, recipe, None, [wide])
    assert read_failures(tmp_path) == {}
