"""What a trial of the study has recorded of its candidate, and the row that it makes."""

from __future__ import annotations

from optuna.trial import FrozenTrial

from nastk.errors import UserError
from nastk.rows import Row

KEY = "key"  # of a trial: its genotype's
COST = "cost"  # of a trial that is to be trained: what the untrained candidate costs
OUTCOME = "outcome"  # of a trial whose row is whole


def row_of(trial: FrozenTrial) -> Row:
    """Returns a recorded trial's row; raises UserError where a part of it is missing."""
    attributes = trial.user_attrs
    try:
        outcome = attributes[OUTCOME]
        return Row(
            trial.number,
            attributes["state"],
            attributes[KEY],
            outcome["genotype"],
            attributes["metrics"],
            outcome["seconds"],
            outcome["reason"],
            dict(trial.params),
        )
    except KeyError as error:
        raise UserError(
            f"the study: trial {trial.number} has no {error}; it is damaged, put back a copy, or give another run="
        ) from None
