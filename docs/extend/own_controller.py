"""A controller of one's own: simulated annealing. It is an Optuna sampler, of use in any study of finite choices."""

import math
from collections.abc import Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial

from nastk.controllers.controller import ChoicesController
from nastk.controllers.history import Choices, Record
from nastk.controllers.mutation import unseen_mutation
from nastk.controllers.seeds import generator


class Annealing(ChoicesController):
    """Walks from network to network, one choice at a time; a worse one is taken ever more rarely.

    Args:
        seed: of all draws.
        start: trials drawn at random first.
        heat: loss of accuracy that is taken with probability 1/e at first.
        cooling: what the heat is multiplied by at each trial.
    """

    def __init__(self, seed: int | None = None, start: int = 5, heat: float = 0.02, cooling: float = 0.95) -> None:
        super().__init__(seed)
        self.start, self.heat, self.cooling = start, heat, cooling

    def propose(self, study: Study, trial: FrozenTrial, records: Sequence[Record]) -> Choices:
        """Returns the choices of the next network, from all that are finished; what it leaves out is random."""
        valued = [record for record in records if record.score is not None and not record.violation]
        if len(valued) < self.start:
            return {}
        place = valued[0]
        for step, record in enumerate(valued[1:]):
            heat = max(self.heat * self.cooling**step, 1e-9)
            chance = math.exp(min(0.0, (record.score - place.score) / heat))
            if generator(self.seed, record.number, "taken").random() < chance:
                place = record
        return unseen_mutation(place, generator(self.seed, trial.number), {record.key for record in records})
