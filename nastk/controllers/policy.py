"""The policy network: an LSTM that reads the choices made so far and gives the odds of the next one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nastk.controllers.options import hashable
from nastk.controllers.seeds import derive

UNITS = 100
SPREAD = 0.1
CLIP = 1.0
BETAS, EPSILON = (0.9, 0.999), 1e-8

Hidden = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Episode:
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


class Policy(nn.Module):
    """A one-layer LSTM of 100 units over the sequence of choices: Zoph et al., CVPR 2018.

    Its vocabulary, a token for each option of each name, grows as names are met: a sampler is told of a parameter when
    it is asked for it. In a space whose names are always the same it is complete before the first step of learning.
    The first weights of a token, uniform in +-0.1, depend on the seed, the name and the option alone, not on when they
    are met.

    Args:
        seed: of the first weights.
        rate: Adam's learning rate.
    """

    def __init__(self, seed: int, rate: float) -> None:
        super().__init__()
        self._seed = seed
        self._names: dict[str, int] = {}
        self._tokens: dict[tuple[str, Hashable], int] = {}
        # None of these draws from torch's own generator, on which the trainings around a search depend.
        self.lstm = nn.LSTM(UNITS, UNITS, device="meta").to_empty(device="cpu")
        first = {"weight_ih_l0": "input_gates", "weight_hh_l0": "hidden_gates", "bias_ih_l0": "gate_bias"}
        with torch.no_grad():
            for parameter, purpose in first.items():
                weight = self.lstm.get_parameter(parameter)
                weight.copy_(self._drawn(purpose, *weight.shape))
            nn.init.zeros_(self.lstm.get_parameter("bias_hh_l0")).requires_grad_(False)  # one bias is enough
        self.embedding = nn.Parameter(self._drawn("embedding", 1, UNITS))
        self.name = nn.Parameter(torch.zeros(0, UNITS))
        self.output = nn.Parameter(torch.zeros(1, UNITS))
        self.bias = nn.Parameter(torch.zeros(1))
        self._adam = torch.optim.Adam([one for one in self.parameters() if one.requires_grad], rate, BETAS)
        self._steps = 0

    def encode(self, choices: Mapping[str, Any], options: Mapping[str, Sequence[Any]]) -> Episode:
        """Returns choices, in their order, as indices; new names and options enter the vocabulary."""
        names, inputs, heads, chosen = [], [0], [], []
        for name, value in choices.items():
            tokens = self.tokens(name, options[name])
            names.append(self._names[name])
            heads.append(tokens)
            inputs.append(self._tokens[name, hashable(value)])
            chosen.append(tokens.index(inputs[-1]))
        width = max(map(len, heads))
        padded = [[*tokens, *[-1] * (width - len(tokens))] for tokens in heads]
        return Episode(*(torch.tensor(part) for part in (names, inputs[:-1], padded, chosen)))

    def tokens(self, name: str, among: Sequence[Any]) -> list[int]:
        """Returns the vocabulary's indices of a choice's options; enters what is new."""
        if name not in self._names:
            self._names[name] = len(self._names)
            self._grow("name", self._drawn(f"name {name}", 1, UNITS))
        known = [(name, hashable(option)) for option in among]
        new = [(token, option) for token, option in zip(known, among, strict=True) if token not in self._tokens]
        for token, option in new:
            self._tokens[token] = len(self._tokens) + 1
            purpose = f"{name} {option!r}"
            self._grow("embedding", self._drawn(f"embedding {purpose}", 1, UNITS))
            self._grow("output", self._drawn(f"output {purpose}", 1, UNITS))
            self._grow("bias", torch.zeros(1))
        return [self._tokens[token] for token in known]

    def token(self, name: str, among: Sequence[Any], option: Any) -> int:
        """Returns the vocabulary's index of one of a choice's options."""
        self.tokens(name, among)
        return self._tokens[name, hashable(option)]

    @torch.no_grad()
    def step(self, before: int, name: str, among: Sequence[Any], hidden: Hidden | None) -> tuple[Tensor, Hidden]:
        """Reads one token and returns the odds of each option of the next choice, (K,), and the new hidden state."""
        heads = self.tokens(name, among)
        x = self.embedding[before] + self.name[self._names[name]]
        output, hidden = self.lstm(x[None, None], hidden)
        logits = self.output[heads] @ output[0, 0] + self.bias[heads]
        return logits.softmax(0), hidden

    def log_odds(self, episodes: Sequence[Episode]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the log odds of what was chosen and the entropies, both (B, T), and which steps are no padding."""
        names, inputs = (_padded([getattr(one, part) for one in episodes], 0) for part in ("names", "inputs"))
        chosen, heads = _padded([one.chosen for one in episodes], 0), _padded([one.heads for one in episodes], -1)
        x = self.embedding[inputs] + self.name[names]
        output, _ = self.lstm(x.transpose(0, 1))
        every = output.transpose(0, 1) @ self.output.T + self.bias
        there = heads >= 0
        counts = there.any(-1)
        # A step that pads a shorter episode has no options: give it one, for its odds to be finite; it does not count.
        allowed = there | (~counts[..., None] & (torch.arange(heads.shape[-1]) == 0))
        logits = every.gather(-1, heads.clamp(min=0)).masked_fill(~allowed, -1e9)
        logs = logits.log_softmax(-1)
        entropy = -(logs.exp() * logs).sum(-1)
        return logs.gather(-1, chosen[..., None])[..., 0], entropy, counts

    def learn(self, episodes: Sequence[Episode], loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        """Takes one step of Adam down the gradient of `loss`, a function of what `log_odds` returns."""
        self._adam.zero_grad()
        torch.autograd.backward(loss(*self.log_odds(episodes)))
        nn.utils.clip_grad_norm_(self.parameters(), CLIP)
        # Epsilon as at the end of section 2 of Kingma, Ba, ICLR 2015: there it is added before the bias of the second
        # moment is taken off. Studies that were begun so go on with the same proposals.
        self._steps += 1
        self._adam.param_groups[0]["eps"] = EPSILON / (1 - BETAS[1] ** self._steps) ** 0.5
        self._adam.step()

    def _drawn(self, purpose: str, *shape: int) -> Tensor:
        random = np.random.default_rng(derive(self._seed, "policy", purpose))
        return torch.from_numpy(random.uniform(-SPREAD, SPREAD, shape).astype(np.float32))

    def _grow(self, name: str, rows: Tensor) -> None:
        """Adds rows to a parameter, and as many zeros to Adam's moments of it."""
        before: nn.Parameter = getattr(self, name)
        after = nn.Parameter(torch.cat([before.detach(), rows]))
        setattr(self, name, after)
        parameters = self._adam.param_groups[0]["params"]
        parameters[next(index for index, one in enumerate(parameters) if one is before)] = after
        moments = self._adam.state.pop(before, {})
        for key in ("exp_avg", "exp_avg_sq") if moments else ():
            moments[key] = torch.cat([moments[key], torch.zeros_like(rows)])
        if moments:
            self._adam.state[after] = moments


def _padded(parts: Sequence[Tensor], fill: int) -> Tensor:
    """Stacks tensors of different sizes, filled up to the greatest."""
    sizes = [max(lengths) for lengths in zip(*(part.shape for part in parts), strict=True)]
    whole = torch.full((len(parts), *sizes), fill)
    for index, part in enumerate(parts):
        whole[index][tuple(slice(size) for size in part.shape)] = part
    return whole
