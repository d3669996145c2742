"""`python -m nastk.report run=...` or `sweep=...`: draws the page that a run or a sweep is read from."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.cli.launch import launch


def main() -> None:
    """Entry point; settings are in conf/report.yaml."""
    launch("report", report)


def report(config: DictConfig) -> None:
    """Writes the report and says where it lies."""
    from nastk.jobs.report import run_report

    print(f"Report: {run_report(config)}")


if __name__ == "__main__":
    main()
