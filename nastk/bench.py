"""`python -m nastk.bench run=...`: measures the latency of the exported files on this machine."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.launch import launch, say_next


def main() -> None:
    """Entry point; settings are in conf/bench.yaml."""
    launch("bench", bench)


def bench(config: DictConfig) -> None:
    """Measures, prints a table, says what to do next."""
    from nastk.jobs.bench import as_text, run_bench

    path, measured = run_bench(config)
    print(as_text(measured))
    print(f"Measurements: {path}")
    if config.run is not None:
        say_next("report", run=path.parent)


if __name__ == "__main__":
    main()
