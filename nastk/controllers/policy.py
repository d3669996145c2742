"""The policy network: an LSTM that reads the choices made so far and gives the odds of the next one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nastk.controllers.options import hashable
from nastk.controllers.seeds import derive

UNITS = 100
SPREAD = 0.1
CLIP = 1.0
BETAS = (0.9, 0.999)
GROWING = {"embedding": UNITS, "name": UNITS, "output": UNITS, "bias": 1}

Hidden = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Row:
    """A trial's choices as indices, ready for the network.

    Attributes:
        names: (T,) which choice each step is.
        inputs: (T,) the token before it; 0 at the start.
        heads: (T, K) the tokens that could be chosen, padded by -1.
        chosen: (T,) the position of the chosen one in `heads`.
    """

    names: Tensor
    inputs: Tensor
    heads: Tensor
    chosen: Tensor


class Policy:
    """A one-layer LSTM of 100 units over the row of choices: Zoph et al., CVPR 2018.

    Its vocabulary, a token for each option of each name, grows as names are met. The first weights of a token, uniform
    in +-0.1, depend on the seed, the name and the option alone, not on when they are met.

    Args:
        seed: of the first weights.
        rate: Adam's learning rate.
    """

    def __init__(self, seed: int, rate: float) -> None:
        self._seed, self._rate, self._steps = seed, rate, 0
        self._names: dict[str, int] = {}
        self._tokens: dict[tuple[str, Hashable], int] = {}
        self._weights = {
            "input_gates": self._drawn("input_gates", 4 * UNITS, UNITS),
            "hidden_gates": self._drawn("hidden_gates", 4 * UNITS, UNITS),
            "gate_bias": self._drawn("gate_bias", 4 * UNITS),
            "embedding": self._drawn("embedding", 1, UNITS),
            "name": torch.zeros(0, UNITS),
            "output": torch.zeros(1, UNITS),
            "bias": torch.zeros(1),
        }
        self._first = {key: torch.zeros_like(value) for key, value in self._weights.items()}
        self._second = {key: torch.zeros_like(value) for key, value in self._weights.items()}

    def __deepcopy__(self, memo: dict[int, Any]) -> Policy:
        twin = object.__new__(Policy)
        twin.__dict__ = dict(self.__dict__)
        twin._names, twin._tokens = dict(self._names), dict(self._tokens)
        # Learning replaces tensors and never writes into them, so that copies can share them.
        for name in ("_weights", "_first", "_second"):
            setattr(twin, name, dict(getattr(self, name)))
        return twin

    def encode(self, choices: Mapping[str, Any], options: Mapping[str, Sequence[Any]]) -> Row:
        """Returns a row of choices, in their order, as indices; new names and options enter the vocabulary."""
        names, inputs, heads, chosen = [], [0], [], []
        for name, value in choices.items():
            tokens = self.tokens(name, options[name])
            names.append(self._names[name])
            heads.append(tokens)
            inputs.append(self._tokens[name, hashable(value)])
            chosen.append(tokens.index(inputs[-1]))
        width = max(map(len, heads))
        padded = [[*tokens, *[-1] * (width - len(tokens))] for tokens in heads]
        return Row(*(torch.tensor(part) for part in (names, inputs[:-1], padded, chosen)))

    def tokens(self, name: str, among: Sequence[Any]) -> list[int]:
        """Returns the vocabulary's indices of a choice's options; enters what is new."""
        if name not in self._names:
            self._names[name] = len(self._names)
            self._grow({"name": self._drawn(f"name {name}", 1, UNITS)})
        known = [(name, hashable(option)) for option in among]
        for token, option in zip(known, among, strict=True):
            if token not in self._tokens:
                self._tokens[token] = len(self._tokens) + 1
                purpose = f"{name} {option!r}"
                self._grow(
                    {
                        "embedding": self._drawn(f"embedding {purpose}", 1, UNITS),
                        "output": self._drawn(f"output {purpose}", 1, UNITS),
                        "bias": torch.zeros(1),
                    }
                )
        return [self._tokens[token] for token in known]

    def token(self, name: str, among: Sequence[Any], option: Any) -> int:
        """Returns the vocabulary's index of one of a choice's options."""
        self.tokens(name, among)
        return self._tokens[name, hashable(option)]

    def step(self, before: int, name: str, among: Sequence[Any], hidden: Hidden | None) -> tuple[Tensor, Hidden]:
        """Reads one token and returns the odds of each option of the next choice, (K,), and the new hidden state."""
        heads = self.tokens(name, among)
        weights = self._weights
        with torch.no_grad():
            x = weights["embedding"][before] + weights["name"][self._names[name]]
            output, hidden = _lstm(weights, x[None, None], hidden)
            logits = weights["output"][heads] @ output[0, 0] + weights["bias"][heads]
        return logits.softmax(0), hidden

    def log_odds(self, rows: Sequence[Row]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the log odds of what was chosen and the entropies, both (B, T), and which steps are no padding."""
        return self._log_odds(self._weights, rows)

    def learn(self, rows: Sequence[Row], loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        """Takes one step of Adam down the gradient of `loss`, a function of what `log_odds` returns."""
        leaves = {key: value.detach().requires_grad_() for key, value in self._weights.items()}
        value = loss(*self._log_odds(leaves, rows))
        gradients = dict(zip(leaves, torch.autograd.grad(value, list(leaves.values())), strict=True))
        norm = torch.sqrt(sum((gradient.square().sum() for gradient in gradients.values()), torch.zeros(())))
        scale = torch.clamp(CLIP / (norm + 1e-6), max=1.0)
        self._steps += 1
        rate = self._rate * (1 - BETAS[1] ** self._steps) ** 0.5 / (1 - BETAS[0] ** self._steps)
        for key, gradient in gradients.items():
            clipped = gradient * scale
            self._first[key] = torch.lerp(clipped, self._first[key], BETAS[0])
            self._second[key] = torch.lerp(clipped.square(), self._second[key], BETAS[1])
            self._weights[key] = self._weights[key] - rate * self._first[key] / (self._second[key].sqrt() + 1e-8)

    def _log_odds(self, weights: Mapping[str, Tensor], rows: Sequence[Row]) -> tuple[Tensor, Tensor, Tensor]:
        def stacked(parts: list[Tensor], fill: int) -> Tensor:
            whole = torch.full(
                (len(parts), *(max(sizes) for sizes in zip(*(part.shape for part in parts), strict=True))), fill
            )
            for index, part in enumerate(parts):
                whole[index][tuple(slice(size) for size in part.shape)] = part
            return whole

        names, inputs = stacked([row.names for row in rows], 0), stacked([row.inputs for row in rows], 0)
        chosen, heads = stacked([row.chosen for row in rows], 0), stacked([row.heads for row in rows], -1)
        x = weights["embedding"][inputs] + weights["name"][names]
        output, _ = _lstm(weights, x.transpose(0, 1), None)
        every = output.transpose(0, 1) @ weights["output"].T + weights["bias"]
        there = heads >= 0
        counts = there.any(-1)
        # A step that pads a shorter row has no options: give it one, so that its odds are finite, and do not count it.
        allowed = there | (~counts[..., None] & (torch.arange(heads.shape[-1]) == 0))
        logits = every.gather(-1, heads.clamp(min=0)).masked_fill(~allowed, -1e9)
        logs = logits.log_softmax(-1)
        entropy = -(logs.exp() * logs).sum(-1)
        return logs.gather(-1, chosen[..., None])[..., 0], entropy, counts

    def _drawn(self, purpose: str, *shape: int) -> Tensor:
        random = np.random.default_rng(derive(self._seed, "policy", purpose))
        return torch.from_numpy(random.uniform(-SPREAD, SPREAD, shape).astype(np.float32))

    def _grow(self, rows: Mapping[str, Tensor]) -> None:
        for key, value in rows.items():
            self._weights[key] = torch.cat([self._weights[key], value])
            for moments in (self._first, self._second):
                moments[key] = torch.cat([moments[key], torch.zeros_like(value)])


def _lstm(weights: Mapping[str, Tensor], x: Tensor, hidden: Hidden | None) -> tuple[Tensor, Hidden]:
    """Runs the LSTM over x, (T, B, units)."""
    if hidden is None:
        hidden = (torch.zeros(1, x.shape[1], UNITS), torch.zeros(1, x.shape[1], UNITS))
    parameters = [weights["input_gates"], weights["hidden_gates"], weights["gate_bias"], torch.zeros(4 * UNITS)]
    output, h, c = torch.lstm(x, hidden, parameters, True, 1, 0.0, False, False, False)
    return output, (h, c)
