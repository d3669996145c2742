"""REINFORCE and PPO: a policy that makes more likely what came out better than usual."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from optuna.study import Study
from optuna.trial import FrozenTrial
from torch import Tensor

from nastk.controllers.controller import Controller
from nastk.controllers.history import Record, choices_of
from nastk.controllers.policy import Episode, Hidden, Policy
from nastk.controllers.replay import Replay
from nastk.controllers.reward import Rewards
from nastk.controllers.seeds import derive, generator
from nastk.controllers.threads import one_thread
from nastk.errors import UserError

Update = Callable[[Policy, Sequence[Episode], Tensor], None]


class PolicyTraining:
    """The policy after some records, and the episodes that wait for the mini-batch to be full."""

    def __init__(self, policy: Policy, rewards: Rewards, batch: int, update: Update) -> None:
        self.policy = policy
        self._rewards, self._batch, self._update = rewards, batch, update
        self._episodes: list[Episode] = []
        self._advantages: list[float] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> PolicyTraining:
        copied = PolicyTraining(copy.deepcopy(self.policy), copy.deepcopy(self._rewards), self._batch, self._update)
        copied._episodes, copied._advantages = list(self._episodes), list(self._advantages)
        return copied

    def learn(self, record: Record) -> None:
        """Takes in a record; with every full mini-batch the policy is updated."""
        if not record.choices:
            return
        self._episodes.append(self.policy.encode(record.choices, record.options))
        self._advantages.append(self._rewards.advantage(record))
        if len(self._episodes) == self._batch:
            self._update(self.policy, self._episodes, torch.tensor(self._advantages))
            self._episodes, self._advantages = [], []


class Rollout:
    """The episode of a trial under way: its choices are made one after another."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._hidden: Hidden | None = None
        self._token = 0
        self._asked: str | None = None
        self._read = 0

    def odds(self, trial: FrozenTrial, name: str, among: Sequence[Any]) -> list[float]:
        """Returns the odds of each option, given the choices that the trial has made already."""
        made, finite = choices_of(trial)
        for known in list(made)[self._read :]:
            found = finite[known]
            if known != self._asked:
                _, self._hidden = self._policy.step(self._token, known, found, self._hidden)
            self._token = self._policy.token(known, found, made[known])
            self._read += 1
        self._asked = name
        odds, self._hidden = self._policy.step(self._token, name, among, self._hidden)
        return [float(value) for value in odds]


class PolicyGradient(Controller[Rollout]):
    """What REINFORCE and PPO share: an LSTM policy that learns from every trial, duplicates and rejections too.

    Args:
        seed: of the first weights and of all draws.
        rate: Adam's learning rate. The paper's 3.5e-4 is meant for 20,000 trials.
        entropy: weight of the entropy bonus, which keeps the policy from settling early.
        batch: trials in a mini-batch; trials that wait for one to be full teach nothing yet.
        decay: of the moving mean that is the baseline.
        window: how many of the latest trials a value is ranked among.
    """

    def __init__(self, seed: int | None, *, rate: float, entropy: float, batch: int, decay: float, window: int) -> None:
        super().__init__(seed)
        if batch < 1 or window < 1 or rate <= 0 or not 0 <= decay < 1:
            raise UserError(
                f"controller: rate={rate}, batch={batch}, decay={decay}, window={window}: expected a rate above 0, "
                "a batch and a window of at least 1, and a decay from 0 to below 1"
            )
        self.entropy = entropy
        self._rate, self._batch, self._decay, self._window = rate, batch, decay, window
        self._replay = Replay(self._untaught)

    def _untaught(self) -> PolicyTraining:
        policy = Policy(derive(self.seed, "policy"), self._rate)
        return PolicyTraining(policy, Rewards(self._decay, self._window), self._batch, self.update)

    @abstractmethod
    def update(self, policy: Policy, episodes: Sequence[Episode], advantages: Tensor) -> None:
        """Changes the policy by a mini-batch; `advantages` is (B,)."""

    def propose(self, study: Study, trial: FrozenTrial, records: list[Record]) -> Rollout:
        # A copy, for the vocabulary that this trial brings must not enter in another order than that of the records.
        with one_thread():
            return Rollout(copy.deepcopy(self._replay.state(records).policy))

    def answer(self, proposal: Rollout, trial: FrozenTrial, name: str, among: tuple[Any, ...]) -> Any:
        with one_thread():
            odds = proposal.odds(trial, name, among)
        return generator(self.seed, trial.number, "choice", name).choices(among, weights=odds)[0]


class Reinforce(PolicyGradient):
    """REINFORCE (Williams 1992) as in Zoph, Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017."""

    def __init__(
        self,
        seed: int | None = None,
        rate: float = 0.005,
        entropy: float = 0.05,
        batch: int = 3,
        decay: float = 0.95,
        window: int = 50,
    ) -> None:
        super().__init__(seed, rate=rate, entropy=entropy, batch=batch, decay=decay, window=window)

    def update(self, policy: Policy, episodes: Sequence[Episode], advantages: Tensor) -> None:
        def loss(logs: Tensor, entropies: Tensor, counts: Tensor) -> Tensor:
            gain = advantages[:, None] * logs + self.entropy * entropies
            return -(gain * counts).sum() / len(episodes)

        policy.learn(episodes, loss)


class PPO(PolicyGradient):
    """Proximal policy optimization (Schulman et al. 2017), the controller of Zoph et al., CVPR 2018.

    Args:
        clip: how far the odds of a choice may move in one mini-batch, relatively.
        epochs: gradient steps on a mini-batch.
    """

    def __init__(
        self,
        seed: int | None = None,
        rate: float = 0.01,
        entropy: float = 0.01,
        batch: int = 10,
        decay: float = 0.95,
        window: int = 50,
        clip: float = 0.2,
        epochs: int = 5,
    ) -> None:
        super().__init__(seed, rate=rate, entropy=entropy, batch=batch, decay=decay, window=window)
        if not clip > 0 or epochs < 1:
            raise UserError(f"controller: clip={clip}, epochs={epochs}: expected a clip above 0 and at least 1 epoch")
        self.clip, self.epochs = clip, epochs

    def update(self, policy: Policy, episodes: Sequence[Episode], advantages: Tensor) -> None:
        with torch.no_grad():
            old, _, _ = policy.log_odds(episodes)

        def loss(logs: Tensor, entropies: Tensor, counts: Tensor) -> Tensor:
            ratio = torch.exp(logs - old)
            clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
            gain = torch.minimum(ratio * advantages[:, None], clipped * advantages[:, None]) + self.entropy * entropies
            return -(gain * counts).sum() / len(episodes)

        for _ in range(self.epochs):
            policy.learn(episodes, loss)
