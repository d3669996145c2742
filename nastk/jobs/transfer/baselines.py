"""Networks that everybody knows, as baselines of a search: which ones, in which form, and how large."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from nastk.config.build import jsonable, load_yaml, plain, shipped
from nastk.deploy.targets import Target
from nastk.errors import UserError, unknown
from nastk.genotype import Genotype
from nastk.genotype.small import for_images
from nastk.jobs.parts import make_target
from nastk.jobs.transfer.size_choice import Sizing
from nastk.jobs.transfer.sized import counted_cost
from nastk.jobs.transfer.sizing import Limit
from nastk.networks import NetworkConfig
from nastk.runs.baselines import BegunBaselines, read_baseline, read_begun
from nastk.runs.full_size import place_of
from nastk.training.record import RECORD

AUTO = "auto"
LIKE = "parameters of the searched network"


# A side of the last map: a network that keeps fewer is faster, and taken where no size of the other meets the limits.
LEAST_PIXELS = (4, 2)


class Baseline(NamedTuple):
    """A network of conf/network in its forms for the images, the slowest first; `name` is that of its file."""

    name: str
    forms: tuple[Genotype, ...]


@dataclass(frozen=True)
class Baselines:
    """The baselines that a transfer is asked for.

    Attributes:
        networks: in order.
        auto: whether they were left to nastk; then a transfer that has begun goes on with those that it began with.
    """

    networks: tuple[Baseline, ...] = ()
    auto: bool = False


def asked_baselines(config: DictConfig, searched: DictConfig, network: NetworkConfig) -> Baselines:
    """Returns the baselines that a configuration asks for, none where it has no such setting.

    Args:
        config: of the transfer.
        searched: of the search, whose target says which families fit.
        network: whose images they are for.

    Raises:
        UserError: no list of names, or there is no such network.
    """
    value = plain(config.get("baselines"))
    names = (value,) if isinstance(value, str) else value or ()
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        raise UserError(f"baselines={jsonable(value)!r}, expected auto or a list such as [mobilenet_v2,resnet18]")
    auto = names == (AUTO,)
    if auto:
        names = (make_target(searched) if searched.get("target") is not None else Target).baselines
    return Baselines(made_for(names, network), auto)


def made_for(names: Iterable[str], network: NetworkConfig) -> tuple[Baseline, ...]:
    """Returns networks by name, each once, in the form for a network's images; raises UserError for unknown names."""

    def forms(name: str) -> tuple[Genotype, ...]:
        known, sides = named_network(name), (network.height, network.width)
        return tuple(dict.fromkeys(for_images(known, *sides, least) for least in LEAST_PIXELS))

    return tuple(Baseline(name, forms(name)) for name in dict.fromkeys(names))


def named_network(name: str) -> Genotype:
    """Returns the genotype of a network of conf/network; raises UserError with the nearest names for another."""
    paths = {path.stem: path for path in (shipped("conf") / "network").glob("*.yaml") if path.stem != "default"}
    if name not in paths:
        raise unknown("network in baselines", name, [*paths, AUTO])
    return Genotype.from_dict(jsonable(plain(load_yaml(paths[name]).genotype)))


def begun_with(
    folder: Path, asked: Baselines, network: NetworkConfig, alone: bool
) -> tuple[tuple[Baseline, ...], BegunBaselines]:
    """Returns the baselines to train, and the record of those that the run's transfer was begun with.

    Where they are left to nastk a transfer goes on as it was begun: without any, where it was begun by a version or a
    command that had none.

    Args:
        folder: of the run.
        asked: what the command asks for.
        network: whose images they are for.
        alone: whether a single candidate is transferred, which without baselines is trained on all images.

    Raises:
        UserError: the run's transfer was begun on all images, so that its network cannot be compared with others, or
            the other way round.
    """
    begun = read_begun(folder)
    before = begun is None and any(folder.glob(f"transfer/[!.]*/{RECORD}"))
    if asked.auto and before:
        return (), BegunBaselines()
    if before and alone and asked.networks:
        raise UserError(
            f"{folder / 'transfer'}: was begun without baselines, on all training images, none of which is left to "
            "compare by; give baselines=[] to go on with it, or move the folder away to train anew"
        )
    if begun is not None and begun.names and alone and not asked.networks:
        raise UserError(
            f"{folder / 'transfer'}: was begun with baselines ({', '.join(begun.names)}), on all but held-out images; "
            "leave baselines=[] out to go on with them, or move the folder away to train anew"
        )
    if asked.auto and begun is not None:
        return made_for([*begun.names, *begun.left_out], network), begun
    return asked.networks, begun or BegunBaselines()


def baseline_sizing(sizing: Sizing, limits: Sequence[Limit]) -> Sizing:
    """Returns how baselines get their size: to limits, whatever depth and width the searched networks are given."""
    network = dataclasses.replace(sizing.network, sizes={})
    return dataclasses.replace(sizing, network=network, searched={}, limits=tuple(limits), judged=False)


def baseline_limits(sizing: Sizing, first: tuple[Genotype, NetworkConfig] | None, place: Path) -> tuple[Limit, ...]:
    """Returns what a baseline is sized to: the limits there are, else the parameters of the first searched network.

    Parameters are the same on every machine and every time. A baseline that was sized before keeps its limit.

    Args:
        sizing: of the searched networks.
        first: the search's best, with its size; None where it fits in no size, which only limits bring about.
        place: of the baseline.
    """
    if sizing.limits:
        return sizing.limits
    record = read_baseline(place)
    if record is not None and record.limits:
        return tuple(Limit(metric, value, LIKE) for metric, value in record.limits.items())
    assert first is not None, "without limits every size fits"
    return (Limit("params", float(counted_cost(*first)["params"]), LIKE),)


def distinct(baselines: Sequence[Baseline], keys: Sequence[str], run: Path) -> Iterator[Baseline]:
    """Yields the baselines in those forms that are neither a searched candidate nor another baseline; tells of others.

    Args:
        baselines: asked for.
        keys: of the searched candidates.
        run: folder; a baseline that was sized there before keeps its form.
    """
    known = dict.fromkeys(keys, "a candidate of the search")
    for one in baselines:
        before = tuple(form for form in one.forms if read_baseline(place_of(run, form.key)) is not None)
        wanted = before[:1] or one.forms
        forms = tuple(form for form in wanted if form.key not in known)
        if not forms:
            print(f"transfer: baseline {one.name} is {known[wanted[0].key]}, not trained twice", file=sys.stderr)
            continue
        known |= dict.fromkeys((form.key for form in forms), one.name)
        yield Baseline(one.name, forms)
