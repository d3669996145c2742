"""`python -m nastk.audit run=...`: says whether the search's short training ranks cells as a longer one does."""

from __future__ import annotations

from omegaconf import DictConfig

from nastk.cli.launch import launch, say_next
from nastk.importing import uncollected


def main() -> None:
    """Entry point; settings are in conf/audit.yaml."""
    launch("audit", audit)


def audit(config: DictConfig) -> None:
    """Trains, says what came of it and what to do next."""
    with uncollected():
        from nastk.jobs.audit import run_audit

    folder, found = run_audit(config)
    print(found.sentence)
    print(f"Audit: {folder / 'audit.json'}")
    say_next("report", run=folder)


if __name__ == "__main__":
    main()
