"""`python -m nastk.transfer run=...`: trains the chosen cells, larger and on all training images."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.launch import launch


def main() -> None:
    """Entry point; settings are in conf/transfer.yaml."""
    launch("transfer", transfer)


def transfer(config: DictConfig) -> None:
    """Trains, then says what to do next."""
    from nastk.jobs.transfer import run_transfer

    for folder in run_transfer(config):
        print(f"Trained network: {folder}")
    print(f"Next: python -m nastk.export run={config.run}")


if __name__ == "__main__":
    main()
