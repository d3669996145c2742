"""The command line: every mistake is one line with exit code 2, and nothing is made or changed by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import run

ENTRIES = ("search", "transfer", "export", "bench", "audit", "report", "describe", "pipeline")
Capture = pytest.CaptureFixture[str]

SPACES = "blocks, darts, mnasnet, mobile, nas_bench_macro, nasbench201, nasnet"


@pytest.mark.parametrize("entry", ENTRIES)
def test_help_shows_settings_and_three_examples(capsys: Capture, entry: str) -> None:
    help_text = run(capsys, entry, "--help")
    assert help_text.code == 0
    assert help_text.out.count(f"python -m nastk.{entry} ") >= 3
    assert "Settings: override with name=value" in help_text.out
    if entry in ("search", "pipeline"):
        assert f"space: {SPACES}, nasnet_paper" in help_text.out
        assert "trials: 16" in help_text.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], f"no search space: give +space=NAME, e.g. +space=nasnet; there are: {SPACES}"),
        (["+space=nasnte"], "unknown space 'nasnte'; nearest is 'nasnet'"),
        (["space=nasnte"], "unknown space 'nasnte'; nearest is 'nasnet'"),
        (["+space=nasnet", "trails=3"], "unknown setting 'trails'; nearest is 'trials'"),
        (["+space=nasnet", "network=default"], "unknown setting 'network'; nearest is 'evaluator.network'"),
        (["+space=nasnet", "space.blokcs=3"], "unknown setting 'space.blokcs'; nearest is 'space.blocks'"),
        (["+space=nasnet", "+space.blokcs=3"], "unknown setting in space 'blokcs'; nearest is 'blocks'"),
        (["+space=nasnet", "evaluator.epohcs=3"], "nearest is 'evaluator.epochs'"),
        (
            ["+space=nasnet", "executor.parallel=2"],
            "'executor.parallel' here; it is one of executor=processes",
        ),
        (["+space=nasnet", "executor.paralel=2"], "unknown setting 'executor.paralel'; nearest is"),
        (["+space=nasnet", "controller=rnd"], "unknown controller 'rnd'; nearest is 'random'"),
        (["+space=nasnet", "data=cifar"], "unknown data 'cifar'; nearest is 'cifar10'"),
        (["+space=nasnet", "trials=many"], "trials='many': str, expected int"),
        (["+space=nasnet", "trials=0"], "trials=0: expected at least 1"),
        (["+space=nasnet", "trials=2.5"], "trials=2.5: float, expected int"),
        (["+space=nasnet", "seed=-1"], "seed=-1"),
        (["+space=nasnet", "space.blocks=0"], "blocks=0"),
        (["+space=nasnet", "space.ops=[]"], "expected at least one of"),
        (["+space=nasnet", "space.ops=[sep_conv_3]"], "nearest is 'sep_conv_3x3'"),
        (["+space=nasnet", "evaluator.network.filters=-1"], "filters=-1"),
        (["+space=nasnet", "evaluator.epochs=0"], "epochs=0"),
        (["+space=nasnet", "evaluator.learning_rate=fast"], "evaluator.learning_rate='fast': str, expected float"),
        (["+space=nasnet", "objective.max_latency_ms=-1"], "max_latency_ms=-1"),
        (["+space=nasnet", "objective.maximize=[speed]"], "unknown metric"),
        (["+space=nasnet", "data=npz", "data.root=/nowhere.npz"], "/nowhere.npz"),
        (["+space=nasnet", "data=fashion_mnist", "data.root=/nowhere"], "/nowhere"),
        (["+space=nasnet", "evaluator._target_=os.system"], "expected a name that starts with nastk."),
        (
            [
                "+space=darts",
                "controller=random",
                "controller._target_=nastk.objective.Objective",
                "~controller.sampler",
            ],
            "expected optuna.samplers._base.BaseSampler; nothing was run",
        ),
        (["+space=nasnet", "target=tensorrt"], "target tensorrt: no engine built, nothing timed"),
        (["+space=nasnet", "target=arn"], "unknown target 'arn'; nearest is 'arm'"),
        (["+space=nasnet", "target=cuda", "objective=int8"], "int8"),
        (["+space=nasnet", "objective=pareto"], "for several use controller=pareto_evolution"),
        (["+space=nasnet", "trials"], "'trials': not understood"),
        (["+space=[nasnet"], "not understood"),
    ],
)
def test_a_mistake_in_a_search_is_one_line_and_leaves_nothing_behind(
    capsys: Capture, tmp_path: Path, arguments: list[str], message: str
) -> None:
    outcome = run(capsys, "search", f"runs={tmp_path / 'runs'}", *arguments)
    assert message in outcome.line
    assert list(tmp_path.rglob("*")) == []


def test_a_misspelt_setting_of_a_sweep_is_one_line(capsys: Capture) -> None:
    outcome = run(capsys, "search", "-m", "+space=nasnet", "controller=glob(*)", "trails=1")
    assert "unknown setting 'trails'; nearest is 'trials'" in outcome.line


@pytest.mark.parametrize("entry", ["transfer", "export", "bench", "audit", "report"])
def test_a_step_without_its_run_says_what_it_wants(capsys: Capture, tmp_path: Path, entry: str) -> None:
    assert "run: not given" in run(capsys, entry, f"runs={tmp_path}").line
    assert "run='nope'" in run(capsys, entry, f"runs={tmp_path}", "run=nope").line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["network=default"], "nothing to describe: give network=NAME (alexnet, darts_v2, densenet121, dpn68"),
        (["network=nasnet_a_mobil"], "nearest is 'nasnet_a_mobile'"),
        (["network=nasnet_a_mobile", "format=xml"], "unknown format 'xml'"),
        (["network=nasnet_a_mobile", "network.filters=0"], "filters=0"),
        (["genotype=/nowhere.json"], "/nowhere.json: no such file"),
    ],
)
def test_a_mistake_in_describe_is_one_line(capsys: Capture, arguments: list[str], message: str) -> None:
    assert message in run(capsys, "describe", *arguments).line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "expected an object"),
        ('{"schema": 1, "skeleton": "nasnet", "cells": {}}', "expected ['normal', 'reduction']"),
        (
            '{"schema": 1, "skeleton": "nasbench201", "cells": {"normal": '
            '{"inputs": 1, "nodes": [{"combine": "add", "edges": [[0, "conv_3x4"]]}], "output": [1]}}}',
            "unknown op 'conv_3x4'; nearest is 'conv_3x3'",
        ),
        (
            '{"schema": 1, "skeleton": "nasbench201", "cells": {"normal": '
            '{"inputs": 1, "nodes": [{"combine": "add", "edges": [[5, "conv_3x3"]]}], "output": [1]}}}',
            "reads state 5, expected 0 to 0",
        ),
    ],
)
def test_a_malformed_genotype_file_is_one_line(capsys: Capture, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "genotype.json"
    path.write_text(text)
    assert message in run(capsys, "describe", f"genotype={path}").line


def test_describe_prints_the_published_counts_as_json(capsys: Capture) -> None:
    import json

    facts = json.loads(run(capsys, "describe", "network=nasnet_a_mobile", "format=json", "measure=false").out)
    assert (round(facts["params"] / 1e6, 1), round(facts["macs"] / 1e6)) == (5.3, 564)
    assert facts["params_with_auxiliary"] > facts["params"]
    assert (facts["input"], facts["classes"]) == ([3, 224, 224], 1000)


def test_describe_reads_a_genotype_file_at_any_size(capsys: Capture, tmp_path: Path) -> None:
    import json

    large = json.loads(run(capsys, "describe", "network=nasnet_a_cifar", "format=json", "layers=none").out)
    path = tmp_path / "best.json"
    path.write_text(json.dumps({"schema": 1, "genotype": large["genotype"]}))
    again = run(
        capsys, "describe", f"genotype={path}", "network.cells=6", "network.filters=32", "format=json", "layers=none"
    )
    assert json.loads(again.out)["params"] == large["params"]
    assert "sep_conv_5x5(0) + sep_conv_3x3(0)" in run(capsys, "describe", f"genotype={path}", "layers=none").out
