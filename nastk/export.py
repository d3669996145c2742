"""`python -m nastk.export run=...`: writes the trained networks as ONNX, fp32 and int8, checked and scored."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.launch import launch


def main() -> None:
    """Entry point; settings are in conf/export.yaml."""
    launch("export", export)


def export(config: DictConfig) -> None:
    """Exports, then says what to do next."""
    from nastk.jobs.export import run_export

    for folder in run_export(config):
        print(f"Exported files: {folder}")
    given = f"run={config.run}" if config.run is not None else f"model={folder}"
    print(f"Next: python -m nastk.bench {given}")


if __name__ == "__main__":
    main()
