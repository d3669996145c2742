"""`python -m nastk.describe`: lists networks and spaces; with `network=NAME` parameters, MACs, layers and a drawing."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.cli.launch import launch


def main() -> None:
    """Entry point; settings are in conf/describe.yaml."""
    launch("describe", describe)


def describe(config: DictConfig) -> None:
    """Prints the description, or the list of what can be described, as text or JSON."""
    import json

    from nastk.checks import check_name
    from nastk.jobs.describe_list import listing, listing_text, names_nothing

    check_name("format", config.format, ("text", "json"))
    if names_nothing(config):
        listed = listing()
        print(json.dumps(listed, indent=2) if config.format == "json" else listing_text(listed))
        return
    from nastk.jobs.describe import as_text, description

    facts = description(config)
    print(json.dumps(facts, indent=2) if config.format == "json" else as_text(facts))


if __name__ == "__main__":
    main()
