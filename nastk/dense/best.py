"""The best weights of a training so far, on disk, so that a kill does not lose them."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from nastk.errors import UserError
from nastk.files import write_bytes
from nastk.networks.stored import tensors_in
from nastk.outside import read_bytes

BEST = "best.safetensors"
STANDING = "best"  # float64 (2,): epoch and score, beside the weights
MAX_BYTES = 2**32


class BestWeights:
    """Keeps the weights of the epoch with the highest score, of equal ones the first.

    Attributes:
        epoch: whose they are, counted from 1; 0 before there is one.
        score: of them on the validation images; -1 before there is one.
    """

    def __init__(self, folder: Path) -> None:
        """Finds what a training that was stopped has left; raises UserError where that is damaged."""
        self._path = folder / BEST
        self.epoch, self.score = 0, -1.0
        if self._path.exists():
            standing = _read(self._path).get(STANDING)
            if standing is None or standing.shape != (2,):
                raise UserError(f"{self._path}: does not say its score; move the folder away to train anew")
            self.epoch, self.score = int(standing[0]), float(standing[1])

    def offer(self, epoch: int, score: float, network: nn.Module) -> None:
        """Writes the weights where they are better than those before; raises UserError where that cannot be done."""
        if score > self.score:
            self.epoch, self.score = epoch, score
            standing = torch.tensor([epoch, score], dtype=torch.float64)
            write_bytes(self._path, safetensors.torch.save({**_weights(network), STANDING: standing}))

    def load_into(self, network: nn.Module) -> None:
        """Gives a network the best weights; raises UserError where they are damaged."""
        load_weights(self._path, network)

    def remove(self) -> None:
        """Removes the file, once the weights are elsewhere."""
        self._path.unlink(missing_ok=True)


def stored(network: nn.Module) -> bytes:
    """Returns a network's weights as the content of a safetensors file."""
    return safetensors.torch.save(_weights(network))


def load_weights(path: Path, network: nn.Module) -> None:
    """Gives a network the weights of a file that `stored` made; raises UserError where they are not its own."""
    weights = {name: tensor for name, tensor in _read(path).items() if name != STANDING}
    expected = network.state_dict()
    different = [name for name in {**expected, **weights} if not _alike(expected.get(name), weights.get(name))]
    if different:
        raise UserError(f"{path}: {different[0]} is not that of this network; it was changed, or is of another one")
    network.load_state_dict(weights)


def _alike(one: Tensor | None, other: Tensor | None) -> bool:
    return one is not None and other is not None and one.shape == other.shape and one.dtype == other.dtype


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}


def _read(path: Path) -> dict[str, Tensor]:
    return tensors_in(read_bytes(path, MAX_BYTES), path)
