"""nastk: neural architecture search and mobile optimization, from images and a latency budget to a measured file.

`nastk.Run` is the whole of it in Python, `nastk.load` an exported network; each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nastk.version import __version__

if TYPE_CHECKING:
    from nastk.api.loaded import Loaded, Prediction, Predictions, load
    from nastk.api.run import Run
    from nastk.errors import UserError
    from nastk.events import (
        Counted,
        EpochEnded,
        Event,
        Said,
        SearchBegan,
        StepBegan,
        TrainingBegan,
        TrialBegan,
        TrialEnded,
        TrialEpoch,
        WorkBegan,
        WorkEnded,
    )
    from nastk.genotype import Genotype

__all__ = [
    "Counted",
    "EpochEnded",
    "Event",
    "Genotype",
    "Loaded",
    "Prediction",
    "Predictions",
    "Run",
    "Said",
    "SearchBegan",
    "StepBegan",
    "TrainingBegan",
    "TrialBegan",
    "TrialEnded",
    "TrialEpoch",
    "UserError",
    "WorkBegan",
    "WorkEnded",
    "__version__",
    "load",
]

_HOMES = {
    "EpochEnded": "nastk.events",
    "Event": "nastk.events",
    "Genotype": "nastk.genotype",
    "Loaded": "nastk.api.loaded",
    "Prediction": "nastk.api.loaded",
    "Predictions": "nastk.api.loaded",
    "Run": "nastk.api.run",
    "Said": "nastk.events",
    "TrialEnded": "nastk.events",
    "UserError": "nastk.errors",
    "Counted": "nastk.events",
    "SearchBegan": "nastk.events",
    "StepBegan": "nastk.events",
    "TrainingBegan": "nastk.events",
    "TrialBegan": "nastk.events",
    "TrialEpoch": "nastk.events",
    "WorkBegan": "nastk.events",
    "WorkEnded": "nastk.events",
    "load": "nastk.api.loaded",
}


def __getattr__(name: str) -> Any:
    """Loads what a name stands for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nastk' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
