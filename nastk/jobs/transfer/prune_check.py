"""What `transfer.prune` cannot go with, said before anything is searched or trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nastk.errors import UserError
from nastk.genotype.skeleton import Number
from nastk.jobs.transfer.initial import Asked
from nastk.jobs.transfer.sizing import Limit


def check_prune(stages: bool, limits: Sequence[Limit], sizes: Mapping[str, Number], init: Asked) -> None:
    """Checks what `transfer.prune=true` is given with.

    Args:
        stages: whether the search's space is one of stages; a tabular evaluator's is not.
        limits: to narrow to.
        sizes: that the user has fixed.
        init: weights to begin with.

    Raises:
        UserError: it cannot be.
    """
    if not stages:
        raise UserError(
            "transfer.prune=true: expected a space of stages, such as +space=mobile: the width of cells is no part of "
            "their genotype"
        )
    if not limits:
        raise UserError("transfer.prune=true: expected a limit to narrow to, such as transfer.max_latency_ms=0.5")
    for name, value in sizes.items():
        raise UserError(
            f"transfer.prune=true: expected no transfer.{name} (given as {value:g}): a network that is narrowed gets "
            "its size from the limits"
        )
    if init is not None:
        raise UserError("transfer.prune=true: expected no transfer.init: networks begin with their own wider weights")
