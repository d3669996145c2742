"""`python -m nastk.show genotype=...` or `run=...`: draws a network to an SVG or PNG file."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.cli.launch import launch


def main() -> None:
    """Entry point; settings are in conf/show.yaml."""
    launch("show", show)


def show(config: DictConfig) -> None:
    """Draws the network and says where the drawing lies."""
    from nastk.jobs.show import run_show

    print(f"Drawing: {run_show(config)}")


if __name__ == "__main__":
    main()
