"""`python -m nastk.export run=...`: writes the trained networks as ONNX, fp32 and int8, checked and scored."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.cli.launch import launch, say_next
from nastk.importing import uncollected


def main() -> None:
    """Entry point; settings are in conf/export.yaml."""
    launch("export", export)


def export(config: DictConfig) -> None:
    """Exports, then says what to do next."""
    with uncollected():
        from nastk.jobs.export import run_export

    folders = run_export(config)
    for folder in folders:
        print(f"Exported files: {folder}")
    if config.network.features:
        return  # there is no accuracy to measure
    if config.run is not None:
        say_next("bench", run=folders[0].parent.parent)
    else:
        say_next("bench", model=folders[0])


if __name__ == "__main__":
    main()
