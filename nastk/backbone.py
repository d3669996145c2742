"""`python -m nastk.backbone task=segmentation data=SET.npz run=...`: trains a head over a network's feature maps."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.cli.launch import launch


def main() -> None:
    """Entry point; settings are in conf/backbone.yaml."""
    launch("backbone", backbone)


def backbone(config: DictConfig) -> None:
    """Trains, then says where the files are."""
    from nastk.jobs.backbone import run_backbone

    print(f"Trained network: {run_backbone(config)}")


if __name__ == "__main__":
    main()
