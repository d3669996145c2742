"""`python -m nastk.describe network=nasnet_a_mobile`: parameters, MACs, input and cells of a network."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.cli.launch import launch


def main() -> None:
    """Entry point; settings are in conf/describe.yaml."""
    launch("describe", describe)


def describe(config: DictConfig) -> None:
    """Prints the description as text or JSON."""
    import json

    from nastk.errors import unknown
    from nastk.jobs.describe import as_text, description

    if config.format not in ("text", "json"):
        raise unknown("format", config.format, ("text", "json"))
    facts = description(config)
    print(json.dumps(facts, indent=2) if config.format == "json" else as_text(facts))


if __name__ == "__main__":
    main()
