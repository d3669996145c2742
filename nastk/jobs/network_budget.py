"""What a trained network may cost: the limits that its size was picked by, or else the search's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nastk.budget import limits_in
from nastk.config.build import load_yaml
from nastk.deploy.export.conclusions import Budget
from nastk.jobs.transfer.plan import inherited_limits
from nastk.outside import read_json
from nastk.training.record import SHAPE


def network_budget(model: Path, run: Path | None) -> Budget:
    """Returns the limits that a network was made for, by its own record or by the search's.

    Args:
        model: its folder in transfer/.
        run: the run folder, None where it lies in none.
    """
    record: Any = read_json(model / SHAPE) if (model / SHAPE).exists() else {}
    record = record if isinstance(record, dict) else {}
    cost = record.get("cost")
    memory = cost.get("memory_mb") if isinstance(cost, dict) else None
    memory = float(memory) if isinstance(memory, int | float) else None
    if record.get("limits"):
        return Budget(limits_in(record["limits"]), memory)
    config = run / "config.yaml" if run is not None else None
    if config is None or not config.is_file():
        return Budget({}, memory)
    return Budget(inherited_limits(load_yaml(config)), memory)
