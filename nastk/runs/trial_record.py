"""What a trial of the study records of its candidate, in its attributes, and the row that it makes."""

from __future__ import annotations

from optuna.trial import FrozenTrial, Trial, TrialState

from nastk.errors import UserError
from nastk.runs.trials import Row
from nastk.spaces import Space, replay

KEY = "key"  # of a trial: its genotype's
COST = "cost"  # of a trial that is to be trained: what the untrained candidate costs
STATE, METRICS = "state", "metrics"  # of a trial: its row's
VIOLATION = "violation"  # of a trial that breaks a limit: by how much
OUTCOME = "outcome"  # of a trial whose row is whole: what else it has, and which state the study is told


def record_row(trial: Trial, row: Row, told: str) -> None:
    """Records a row in its trial's attributes.

    Args:
        trial: still open.
        row: of it.
        told: the state that the study is told, which for a duplicate is that of the trial that it repeats.
    """
    trial.set_user_attr(KEY, row.key)
    trial.set_user_attr(STATE, row.state)
    trial.set_user_attr(METRICS, dict(row.metrics))
    outcome = {"like": told, "seconds": row.seconds, "reason": row.reason, "genotype": row.genotype}
    trial.set_user_attr(OUTCOME, outcome)  # last: with it the row is whole, and a kill from here on costs nothing


def told_state(trial: Trial) -> str:
    """Returns the state that the study is told of a recorded trial."""
    state: str = trial.user_attrs[OUTCOME]["like"]
    return state


def row_of(trial: FrozenTrial) -> Row:
    """Returns a recorded trial's row; raises UserError where a part of it is missing."""
    attributes = trial.user_attrs
    try:
        outcome = attributes[OUTCOME]
        return Row(
            trial.number,
            attributes[STATE],
            attributes[KEY],
            outcome["genotype"],
            attributes[METRICS],
            outcome["seconds"],
            outcome["reason"],
            dict(trial.params),
        )
    except KeyError as error:
        raise UserError(
            f"the study: trial {trial.number} has no {error}; it is damaged, put back a copy, or give another run="
        ) from None


def lost_row(trial: FrozenTrial, space: Space, reason: str) -> Row | None:
    """Returns the row of a finished trial without a result: its driver died, or another program ended it.

    Args:
        trial: finished.
        space: that its choices were made in.
        reason: why it has no result.

    Returns:
        the row of a failed trial; None where it had not been proposed yet.

    Raises:
        UserError: it is damaged, for it has parts of a result, or ended well without having been proposed.
    """
    if trial.state != TrialState.FAIL and STATE in trial.user_attrs:
        return row_of(trial)
    try:
        genotype = replay(space, trial.params)
    except UserError:
        return None if trial.state == TrialState.FAIL else row_of(trial)
    key, made = genotype.key, genotype.to_dict()
    return Row(trial.number, "failed", key, made, {}, 0.0, reason, dict(trial.params))
