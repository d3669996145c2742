"""`python -m nastk.search +space=nasnet`: searches for the most accurate cells within the limits."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.cli.launch import launch, say_next
from nastk.cli.sweeps import sweeping
from nastk.importing import uncollected


def main() -> None:
    """Entry point; settings are in conf/search.yaml."""
    launch("search", search)


def search(config: DictConfig) -> None:
    """Searches, then says what to do next."""
    with uncollected():
        from nastk.jobs.search import searched

    folder, learnt = searched(config)
    if learnt and not sweeping():
        say_next("transfer", run=folder)


if __name__ == "__main__":
    main()
