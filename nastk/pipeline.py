"""`python -m nastk.pipeline +space=nasnet`: search, transfer, quantize, export, measure, report, in one command."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.cli.launch import launch
from nastk.importing import uncollected


def main() -> None:
    """Entry point; settings are in conf/pipeline.yaml."""
    launch("pipeline", pipeline)


def pipeline(config: DictConfig) -> None:
    """Runs every step on one run folder and ends with the table; what is trained or exported is not made again."""
    with uncollected():
        from nastk.jobs.pipeline import run_pipeline

    finished = run_pipeline(config)
    print(f"\n{finished.table}\n\nReport: {finished.page}")


if __name__ == "__main__":
    main()
