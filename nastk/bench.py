"""`python -m nastk.bench run=...`: measures the latency of exported files, or of a space's operations, here."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.checks import check_path
from nastk.cli.launch import launch, say_next
from nastk.errors import UserError


def main() -> None:
    """Entry point; settings are in conf/bench.yaml."""
    launch("bench", bench)


def bench(config: DictConfig) -> None:
    """Measures, prints a table, says what to do next."""
    given = [name for name in ("ops", "learn", "few", "answers") if config[name] not in (None, False)]
    if len(given) > 1:
        raise UserError(f"{given[0]} and {given[1]}: each is a job of its own; give one")
    for name in ("learn", "answers", "out"):
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
    from nastk.jobs.bench import as_text, run_bench

    path, measured = run_bench(config)
    print(as_text(measured))
    print(f"Measurements: {path}")
    if config.run is not None:
        say_next("report", run=path.parent)


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
    facts = few_answers.measure_few(folder, wanted, target)
    device = {**facts, **({} if config.device is None else {"name": config.device})}
    print(few_answers.as_text(*few_answers.learn_answers(folder / few_list.ANSWERS, wanted, device)))


if __name__ == "__main__":
    main()
