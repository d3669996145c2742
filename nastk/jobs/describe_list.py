"""What `nastk.describe` lists where nothing is named: the networks and the search spaces that come with nastk."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from nastk.config.build import build, jsonable, load_yaml, plain, shipped
from nastk.genotype import Genotype
from nastk.genotype.skeleton import skeleton_named
from nastk.networks import NetworkConfig, build_network
from nastk.networks.count import count_macs, count_parameters, without_content
from nastk.spaces import Space, Value

SCHEMA = 1
WORDS = 84  # characters of what a row says of its network or space
# The title of a paper, and what follows it up to the first stop: where it was published.
PAPER = re.compile(r'"(?P<title>[^"]+)", (?P<where>.+?)(?:[;:,]|\.? |\.)?(?:[;:,]|\. |\.$|$)')
NEXT = """
A network's layers:      python -m nastk.describe network=resnet50
As a backbone:           python -m nastk.describe network=resnet50 network.features=true
For small images:        python -m nastk.describe network=resnet50 network.small=true network.size=32
As a drawing:            python -m nastk.describe network=resnet50 picture=net.svg
A search in a space:     python -m nastk.search +space=mobile
Known ones as baselines: python -m nastk.transfer run=NAME baselines=[resnet18,mobilenet_v2]"""


def names_nothing(config: DictConfig) -> bool:
    """Says whether a command gives nothing but perhaps its format, so that what there is shall be listed."""
    given = [word.lstrip("+~").partition("=")[0] for word in HydraConfig.get().overrides.task]
    return config.genotype is None and set(given) <= {"format"}


def network_files() -> dict[str, Path]:
    """Returns the files of the networks that come with nastk, by name."""
    return {path.stem: path for path in sorted((shipped("conf") / "network").glob("*.yaml")) if path.stem != "default"}


def listing() -> dict[str, Any]:
    """Returns the networks and the search spaces, as `format=json` prints them."""
    spaces = sorted(shipped("search_spaces").glob("*.yaml"))
    return {
        "schema": SCHEMA,
        "networks": [_network(name, path) for name, path in network_files().items()],
        "spaces": [_space(path) for path in spaces],
    }


def listing_text(facts: Mapping[str, Any]) -> str:
    """Returns the listing for a person to read."""
    networks = [
        (
            one["name"],
            f"{one['params'] / 1e6:.2f} M",
            f"{one['macs'] / 1e9:.3f} G",
            "x".join(map(str, one["input"][1:])),
            _short(one["about"]),
        )
        for one in facts["networks"]
    ]
    spaces = [
        (one["name"], str(one["choices"]), _power(one["combinations"]), _short(one["about"])) for one in facts["spaces"]
    ]
    return "\n".join(
        [
            *_table(("network", "parameters", "MACs", "image", "what it is"), networks),
            "",
            *_table(("space", "choices", "combinations", "what it is"), spaces),
            NEXT,
        ]
    )


def _network(name: str, path: Path) -> dict[str, Any]:
    fields = jsonable(plain(load_yaml(path)))
    genotype = Genotype.from_dict(fields.pop("genotype"))
    config = NetworkConfig.from_dict(fields).complete(skeleton_named(genotype.skeleton))
    with without_content():
        network = build_network(genotype, dataclasses.replace(config, auxiliary=False))
    return {
        "name": name,
        "params": count_parameters(network, auxiliary=False),
        "macs": count_macs(network, config),
        "input": list(config.shape),
        "classes": config.classes,
        "skeleton": genotype.skeleton,
        "about": about(path),
    }


def _space(path: Path) -> dict[str, Any]:
    space: Space = build(OmegaConf.load(path), "space", Space)
    options: list[int] = []

    def first(_: str, values: Sequence[Value]) -> Value:
        options.append(len(values))
        return values[0]

    skeleton = space.genotype(first).skeleton
    combinations = 1
    for count in options:
        combinations *= count
    return {
        "name": path.stem,
        "choices": len(options),
        "combinations": combinations,
        "skeleton": skeleton,
        "about": about(path),
    }


def about(path: Path) -> str:
    """Returns in a few words what the comment that a file begins with says: the paper's title and place, or its start.

    Args:
        path: of a YAML file in conf/network or search_spaces.
    """
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#") or not line.strip("# "):
            break
        lines.append(line.strip("# "))
    text = " ".join(lines)
    paper = PAPER.search(text)
    if paper is not None and paper.start() < WORDS:
        return f"{paper['title']}, {paper['where']}".rstrip(",. ")
    return re.split(r"; |\. |\.$", text)[0]


def _short(text: str) -> str:
    return text if len(text) <= WORDS else text[: WORDS - 3].rsplit(" ", 1)[0].rstrip(",:") + "..."


def _power(count: int) -> str:
    return f"{count:,}" if count < 10**6 else f"10^{len(str(count)) - 1}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns lines of columns: the first and the last flush left, the others right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    ends = (0, len(head) - 1)
    return [
        "  ".join(
            cell.ljust(width) if place in ends else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
