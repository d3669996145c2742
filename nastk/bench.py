"""`python -m nastk.bench run=...`: measures the latency of exported files, or of a space's operations, here."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.cli.launch import launch, say_next
from nastk.errors import UserError


def main() -> None:
    """Entry point; settings are in conf/bench.yaml."""
    launch("bench", bench)


def bench(config: DictConfig) -> None:
    """Measures, prints a table, says what to do next."""
    if config.ops and config.learn is not None:
        raise UserError("ops=true and learn: the one measures operations, the other learns from cells; give one")
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


if __name__ == "__main__":
    main()
