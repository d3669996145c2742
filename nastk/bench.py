"""`python -m nastk.bench run=...`: measures the latency of exported files, or of a space's operations, here."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from nastk.checks import check_name, check_path
from nastk.cli.launch import launch, say_next
from nastk.errors import UserError


def main() -> None:
    """Entry point; settings are in conf/bench.yaml."""
    launch("bench", bench)


def bench(config: DictConfig) -> None:
    """Measures, prints a table, says what to do next."""
    check_name("format", config.format, ("text", "json"))
    given = [name for name in ("ops", "learn", "few", "answers", "against") if config[name] not in (None, False)]
    if len(given) > 1:
        raise UserError(f"{given[0]} and {given[1]}: each is a job of its own; give one")
    for name in ("learn", "answers", "against", "out"):
        if config[name] is not None:
            check_path(name, config[name])
    if config.few is not None:
        _few(config)
        return
    if config.answers is not None:
        from nastk.jobs import few_answers

        print(few_answers.as_text(*few_answers.run_answers(config)))
        return
    if config.ops:
        from nastk.jobs import op_table

        place, table = op_table.run_op_bench(config)
        print(f"{op_table.as_text(table)}\nTable: {place}")
        return
    if config.learn is not None:
        from nastk.jobs import learn

        place, predictor = learn.run_learning(config)
        print(f"{learn.as_text(predictor)}\nPredictor: {place}")
        return
    _files(config)


def _files(config: DictConfig) -> None:
    """Measures exported files, and sets them beside an earlier record where one is given."""
    import json

    from nastk.jobs import bench_against
    from nastk.jobs.bench import as_text, run_bench

    measured = run_bench(config)
    if config.format == "json":
        record = {"measurements": measured.record.measurements, "machine": measured.record.machine}
        record["versions"] = measured.record.versions
        both = {} if measured.comparison is None else {"against": config.against, **measured.comparison.to_dict()}
        print(json.dumps(both or record, indent=2))
        return
    print(as_text(measured.record.measurements))
    if measured.comparison is not None:
        print(bench_against.as_text(Path(config.against), measured.comparison))
    print(f"Measurements: {measured.path}")
    if config.run is not None:
        say_next("report", run=measured.path.parent)


def _few(config: DictConfig) -> None:
    """Writes the list; where the target can be timed from here, measures it too and learns from that."""
    from nastk.jobs import few, few_answers, few_list

    if config.device is not None:
        few_answers.check_device("few", config.device)
    folder, wanted, target = few.write_few(config)
    print(f"{len(wanted.networks)} networks to measure, {wanted.precision}: {folder}")
    reason = None if target is None else target.cannot_time()
    if target is None or reason is not None:
        why = f"Not measured: {reason}. " if reason else ""
        print(f"{why}Fill in {folder / few_list.ANSWERS}, p50 in milliseconds.")
        print(f"Then: python -m nastk.bench answers={folder / few_list.ANSWERS} device=NAME")
        return
    facts, versions = few_answers.measure_few(folder, wanted, target)
    device = {**facts, **({} if config.device is None else {"name": config.device})}
    answers = folder / few_list.ANSWERS
    print(few_answers.as_text(*few_answers.learn_answers(answers, wanted, device, versions=versions)))


if __name__ == "__main__":
    main()
