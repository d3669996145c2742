"""`python -m nastk.transfer run=...`: trains the chosen cells, larger and on all training images."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.cli.launch import launch, say_next
from nastk.importing import uncollected


def main() -> None:
    """Entry point; settings are in conf/transfer.yaml."""
    launch("transfer", transfer)


def transfer(config: DictConfig) -> None:
    """Trains, then says what to do next."""
    with uncollected():
        from nastk.jobs.transfer.transfer import run_transfer
        from nastk.runs.baselines import read_baseline

    folders = run_transfer(config)
    for folder in folders:
        record = read_baseline(folder)
        print(f"Trained network: {folder}{f' (baseline {record.name})' if record else ''}")
    best = folders[0]
    whole = len(folders) == 1 or any(map(read_baseline, folders))  # baselines are to be measured beside it
    say_next("export", **({"run": best.parent.parent} if whole else {"model": best}))


if __name__ == "__main__":
    main()
