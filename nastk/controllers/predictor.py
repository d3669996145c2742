"""Predictor-guided search: a model of what networks are worth chooses which one to try next."""

from __future__ import annotations

import random
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from optuna.study import Study
from optuna.trial import FrozenTrial
from torch import Tensor

from nastk.controllers.controller import ChoicesController
from nastk.controllers.described import Described, Encode, finite, standardised, trend
from nastk.controllers.evolution import fitness
from nastk.controllers.gaussian_process import MOST, GaussianProcesses, Inputs
from nastk.controllers.history import Choices, Key, Record, key, running
from nastk.controllers.mutation import mutated, unseen_mutation
from nastk.controllers.options import hashable
from nastk.controllers.seeds import derive, generator
from nastk.controllers.threads import one_thread
from nastk.errors import UserError

PARENTS = 10
MOST_DRAWN = 10**6
PARENTS_AT_A_LIMIT = 5
BINDING = 3  # rejections from which on the limits count as binding
ENOUGH_GIVEN = 4  # networks that a study was given to begin with, for a first model


class Predictor(ChoicesController):
    """Bayesian optimization over networks, with an ensemble of Gaussian processes and expected improvement.

    In the manner of BANANAS (White, Neiswanger, Savani, AAAI 2021): candidates are mutations of the best networks and
    random ones; an ensemble predicts each one's value; the candidate with the largest expected improvement is tried.
    Where trials were rejected or failed, it is multiplied by the predicted odds that the candidate keeps the limits.
    Where the study was given networks to begin with, known ones say, the first prediction follows these, and all
    candidates are mutations: what is drawn at random is far behind what has a known network among its ancestors.

    Args:
        seed: of all draws.
        start: how many random networks come before the first prediction, less where enough were given.
        candidates: how many networks are compared for one proposal.
        encode: describes the network that choices stand for by numbers, always as many; e.g. the paths of its cell. The
            model then sees these beside the choices.
        scores: zero-cost scores of the network that choices stand for, always as many, the larger the better; what
            cannot be told is not finite. The model then takes them for a trend, and explains what departs from it.
        shortlist: how many of the candidates are scored for one proposal: those with the largest expected improvement
            of a model without scores, for scores take longer than the model.
    """

    def __init__(
        self,
        seed: int | None = None,
        start: int = 10,
        candidates: int = 300,
        encode: Encode | None = None,
        scores: Encode | None = None,
        shortlist: int = 20,
    ) -> None:
        super().__init__(seed)
        if not 1 <= shortlist <= MOST_DRAWN:
            raise UserError(f"controller: shortlist={shortlist}: expected 1 to {MOST_DRAWN}")
        if not 2 <= start <= MOST_DRAWN or not 2 <= candidates <= MOST_DRAWN:
            raise UserError(
                f"controller: start={start}, candidates={candidates}: "
                f"expected both to be at least 2, at most {MOST_DRAWN}"
            )
        self.start, self.candidates, self.shortlist = start, candidates, shortlist
        self._encoded, self._scored = Described(encode), Described(scores)

    def score_by(self, scores: Encode) -> None:
        """Sets the zero-cost scores, where they are known only after the controller was made."""
        self._scored = Described(scores)

    def propose(self, study: Study, trial: FrozenTrial, records: list[Record]) -> Choices:
        known = [record for record in records if record.choices]
        # A repeated network counts as an observation: its neighbours in the model are then known to be no better.
        valued = [record for record in known if record.score is not None and not record.violation]
        bad = [record for record in known if record.score is None or record.violation]
        given = _given(study)
        near = given >= ENOUGH_GIVEN
        if len(known) < (min(self.start, given) if near else self.start):
            return {}
        seen: set[Key] = {record.key for record in records} | set(running(study, trial))
        rng = generator(self.seed, trial.number, "candidates")
        best = sorted(valued or bad, key=fitness, reverse=True)
        if len(valued) < 2:
            return unseen_mutation(best[0], rng, seen)
        options = self._candidates(known, best, seen, rng, near)
        if not options:
            return {}
        with one_thread():
            odds = torch.zeros(len(options), dtype=torch.float64)  # logarithms
            if bad:
                odds = self._odds(records, _most(valued, MOST // 2), _most(bad, MOST // 2), options)
            gain = odds + self._gain(trial, _most(valued, MOST), options)
            if not self._scored.hooked:
                return options[int(gain.argmax())]
            best_first = gain.argsort(descending=True, stable=True)[: self.shortlist]
            listed = [options[int(index)] for index in best_first]
            gain = odds[best_first] + self._gain(trial, _most(valued, MOST), listed, scored=True)
        return listed[int(gain.argmax())]

    def _candidates(
        self, known: Sequence[Record], best: Sequence[Record], seen: set[Key], rng: random.Random, near: bool
    ) -> list[Choices]:
        """Returns networks to compare, none seen before: every other one a mutation of the best, the rest random.

        Where limits bind, the best lie just within them; there all are mutations of the very best, for a network drawn
        at random is either beyond the limits or far from them. With `near` all are mutations too.
        """
        bound = sum(bool(record.violation) for record in known) >= BINDING
        parents = best[: PARENTS_AT_A_LIMIT if bound else PARENTS]
        # Once networks have turned out to be repeated in another spelling, what is described alike is left out too.
        repeats = self._encoded.hooked and any(record.duplicate for record in known)
        described = {self._encoded.row(record.choices).tobytes() for record in known} if repeats else set()
        candidates: dict[Key, Choices] = {}
        for attempt in range(4 * self.candidates):
            if len(candidates) >= self.candidates:
                break
            if bound or near or attempt % 2:
                candidate = mutated(rng.choice(parents), rng, steps=rng.choice((1, 1, 2)))
            else:
                parent = rng.choice(known)
                candidate = {name: rng.choice(parent.options[name]) for name in parent.choices}
            at = key(candidate)
            if at in seen or (repeats and self._encoded.row(candidate).tobytes() in described):
                continue
            candidates[at] = candidate
        return list(candidates.values())

    def _gain(
        self, trial: FrozenTrial, valued: Sequence[Record], options: Sequence[Choices], scored: bool = False
    ) -> Tensor:
        """Returns the logarithm of the expected improvement of every option."""
        targets = stretched(torch.tensor([record.score for record in valued], dtype=torch.float64))
        inputs, others = self._inputs(valued, options)
        known = expected = torch.zeros(1, dtype=torch.float64)
        if scored:
            rows = [*(record.choices for record in valued), *options]
            found = trend(standardised(self._scored.rows(rows), len(valued)), targets.numpy())
            known, expected = torch.from_numpy(found[: len(valued)]), torch.from_numpy(found[len(valued) :])
        rng = np.random.default_rng(derive(self.seed, trial.number, "model"))
        model = GaussianProcesses(inputs, targets - known, rng)
        mean, deviation = model.predict(others)
        gain = log_expected_improvement(mean + expected, deviation, targets.max())
        return (gain + model.weights.log()[:, None]).logsumexp(0)

    def _odds(
        self, records: Sequence[Record], valued: Sequence[Record], bad: Sequence[Record], options: Sequence[Choices]
    ) -> Tensor:
        """Returns the logarithm of the odds of every option to keep the limits, -inf where they are too small.

        A large gain just beyond the limit is no gain, so mere improbability does not do: with every rejection in a row
        more certainty is asked for.
        """
        odds = self._feasible(valued, bad, options)
        asked = min(1.0 - 0.5 ** (_rejected_in_a_row(records) / 4), float(odds.max()))
        return odds.log().masked_fill(odds < asked, -torch.inf)

    def _feasible(self, valued: Sequence[Record], bad: Sequence[Record], options: Sequence[Choices]) -> Tensor:
        """Returns the odds of every option to keep the limits.

        What a network costs is nearly a sum over its parts, so that the limit is nearly a plane between them.
        """
        from sklearn.linear_model import LogisticRegression

        inputs, others = self._inputs([*valued, *bad], options)
        width = int(torch.cat([inputs.codes, others.codes]).max()) + 1

        def flat(part: Inputs) -> Any:
            ones = torch.nn.functional.one_hot(part.codes.clamp(min=0), width) * (part.codes >= 0)[..., None]
            return torch.cat([ones.flatten(1).double(), part.features], 1).numpy()

        model = LogisticRegression(C=0.3, max_iter=500)
        model.fit(flat(inputs), [1] * len(valued) + [0] * len(bad))
        return torch.from_numpy(model.predict_proba(flat(others))[:, 1]).clamp(min=1e-12)

    def _inputs(self, records: Sequence[Record], options: Sequence[Choices]) -> tuple[Inputs, Inputs]:
        """Returns the records, and the options on the same scale."""
        columns = _columns(records)
        rows = [*(record.choices for record in records), *options]
        codes = torch.tensor([[_code(columns[name], row, name) for name in columns] for row in rows])
        seen, encoded = len(records), finite(self._encoded.rows(rows))
        # Paths are counts, and the rare ones matter less.
        features = torch.from_numpy(encoded / max(1e-9, float(np.sqrt(2.0 * encoded[:seen].var(0).sum()))))
        return Inputs(codes[:seen], features[:seen]), Inputs(codes[seen:], features[seen:])


def stretched(values: Tensor) -> Tensor:
    """Returns a logarithm of the regret, (n,), the larger the better: spreads the best apart and crowds the rest."""
    regret = values.max() - values
    unit = torch.quantile(regret, 0.25).clamp(min=1e-12)
    return -torch.log(regret / unit + 0.3)


def log_expected_improvement(mean: Tensor, deviation: Tensor, best: Tensor) -> Tensor:
    """Returns the logarithm of the expected improvement on `best` under normal distributions, elementwise."""
    z = (mean - best) / deviation
    density = torch.exp(-0.5 * z.square()) / (2 * torch.pi) ** 0.5
    plain = (density + z * torch.special.ndtr(z)).clamp(min=1e-300).log()
    # Far below the best the terms cancel; there the expansion density / z^2 holds.
    tail = -0.5 * z.square() - 0.5 * torch.log(torch.tensor(2 * torch.pi)) - 2 * torch.log(z.abs().clamp(min=1.0))
    return deviation.log() + torch.where(z < -6, tail, plain)


def _columns(records: Sequence[Record]) -> dict[str, dict[Hashable, int]]:
    columns: dict[str, dict[Hashable, int]] = {}
    for record in records:
        for name, among in record.options.items():
            codes = columns.setdefault(name, {})
            for option in among:
                codes.setdefault(hashable(option), len(codes))
    return columns


def _code(codes: Mapping[Hashable, int], row: Choices, name: str) -> int:
    return codes.get(hashable(row[name]), -1) if name in row else -1


def _rejected_in_a_row(records: Sequence[Record]) -> int:
    count = 0
    for record in reversed(records):
        if record.values is not None and not record.violation:
            break
        count += 1
    return count


def _given(study: Study) -> int:
    """Returns how many networks the study was given to begin with, which Optuna marks as it enqueues them."""
    return sum("fixed_params" in trial.system_attrs for trial in study.get_trials(deepcopy=False))


def _most(records: Sequence[Record], most: int) -> list[Record]:
    """Returns the records that the model is made of: all, or of very many the best and the latest."""
    if len(records) <= most:
        return list(records)
    latest = list(records[-most // 2 :])
    best = sorted(records[: -most // 2], key=fitness, reverse=True)[: most // 2]
    return sorted([*best, *latest], key=lambda record: record.number)
