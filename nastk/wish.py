"""`nastk images=FOLDER max_latency_ms=3`: the whole job, with what suits the images and the budget chosen for it."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.cli.launch import launch
from nastk.cli.wish_words import pipeline_words
from nastk.importing import uncollected


def main() -> None:
    """Entry point; settings are in conf/wish.yaml."""
    launch("wish", wish, pipeline_words)


def wish(config: DictConfig) -> None:
    """Tells the plan, runs the pipeline, and ends with the file to ship."""
    with uncollected():
        from nastk.jobs.wish import run_wish

    print("\n" + "\n".join(run_wish(config)[1]))


if __name__ == "__main__":
    main()
