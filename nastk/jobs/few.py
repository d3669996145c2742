"""The bench's `few=10`: which networks to measure on a new device, and a latency predictor from the answers."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from omegaconf import DictConfig

from nastk.checks import check_path, check_whole
from nastk.config.build import plain
from nastk.deploy.cost.choose import chosen_networks
from nastk.deploy.cost.few import LEAST_SAMPLES
from nastk.deploy.cost.known_devices import KnownDevice, library_latencies, read_known
from nastk.deploy.cost.op_bench import written
from nastk.deploy.cost.prior import device_priors
from nastk.deploy.cost.robust import Floats
from nastk.deploy.cost.term_table import term_tables
from nastk.deploy.cost.workload import graph_terms
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.untrained import in_precision
from nastk.deploy.targets import Target
from nastk.errors import UserError
from nastk.files import cannot_write, write_bytes
from nastk.genotype import Genotype
from nastk.jobs.few_list import LIST, FewList, is_of, write_list
from nastk.jobs.op_table import asked_networks
from nastk.networks import NetworkConfig
from nastk.spaces import Space, random_genotype

MOST, MOST_POOL = 1000, 10_000
DRAWS = 20  # in a row that bring no new network, after which a space is taken to have no more
STRANGE = 4  # networks that a known device may have no latency of, and beyond these half of all
FLOAT32 = "fp32"


@dataclass(frozen=True)
class _Pool:
    """Networks of a space, and what they take on the known devices: (devices, networks)."""

    genotypes: list[Genotype]
    graphs: list[dict[str, float]]
    known: list[list[float]]

    @property
    def latencies(self) -> Floats:
        return library_latencies(self.known, self.graphs)


def write_few(config: DictConfig) -> tuple[Path, FewList, Target | None]:
    """Chooses networks of `+space`, or of those that `run` searched, and writes a folder with their files and the list.

    Returns:
        the folder, the list, and the target where the command line names one.

    Raises:
        UserError: no space, a number that cannot be, a folder that holds something already that is not the same list
            for a target to go on with, a library that knows no such networks, or a target that does not answer.
    """
    count = check_whole("few", config.few, LEAST_SAMPLES, MOST)
    size = check_whole("few_pool", config.few_pool, 2 * count, MOST_POOL)
    target, space, network, _ = asked_networks(config)
    target = None if config.get("target") is None else target
    measured = target is not None and target.cannot_time() is None
    folder = _free_folder(config.out, goes_on=measured)
    if target is not None and measured:
        target.check()
    devices = [read_known(Path(path), network) for path in _library(config)]
    pool = _drawn(space, network, devices, size, config.seed)
    if len(pool.genotypes) < 2 * count:
        raise UserError(f"few={count}: the space has {len(pool.genotypes)} networks, expected twice as many or fewer")
    tables = term_tables(pool.genotypes, pool.graphs)
    priors = device_priors(tables, pool.latencies)
    places = chosen_networks(tables, priors, pool.latencies, count)
    chosen = [pool.genotypes[place] for place in places]
    wanted = FewList(
        networks={f"{number:02d}-{one.key[:8]}": one for number, one in enumerate(chosen, 1)},
        network=network.to_dict(),
        precision=_precision(target),
        priors=priors,
        measured=[table.part(places) for table in tables],
        library=[device.name for device in devices],
    )
    _write(folder, wanted, network, target, size)
    return folder, wanted, target


def _write(folder: Path, wanted: FewList, network: NetworkConfig, target: Target | None, pool: int) -> None:
    """Writes the list and its files; where the list is there, it has to be the same."""
    if (folder / LIST).is_file():
        if is_of(folder / LIST, wanted):
            return
        raise UserError(
            f"out={str(folder)!r}: holds another list, expected a new folder, or that of these {len(wanted.networks)} "
            f"networks in {wanted.precision} of a pool of {pool}, to go on with"
        )
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    for name, genotype in wanted.networks.items():
        model = written(genotype, network, FLOAT32).model
        if wanted.precision != FLOAT32 and target is not None:
            model = in_precision(model, wanted.precision, target.scheme)
        write_bytes(folder / f"{name}.onnx", serialise(model))
    write_list(folder, wanted)


def _drawn(space: Space, network: NetworkConfig, devices: Sequence[KnownDevice], size: int, seed: int) -> _Pool:
    """Draws different networks that the devices know, as many as there are up to `size`, and builds each once."""
    rng = random.Random(seed)
    pool = _Pool([], [], [[] for _ in devices])
    keys: set[str] = set()
    barren = strange = 0
    while len(pool.genotypes) < size and barren < DRAWS:
        genotype = random_genotype(space, rng)
        barren = barren + 1 if genotype.key in keys else 0
        if barren:
            continue
        keys.add(genotype.key)
        graph = written(genotype, network, FLOAT32).model
        try:
            latencies = [_known(device, genotype, graph) for device in devices]
        except UserError:
            strange += 1
            if strange > STRANGE + len(pool.genotypes):
                raise
            continue
        _add(pool, genotype, graph_terms(graph), latencies)
        if len(pool.genotypes) % 50 == 0:
            print(f"bench: {len(pool.genotypes)} of {size} networks to choose from", file=sys.stderr)
    return pool


def _add(pool: _Pool, genotype: Genotype, graph: dict[str, float], latencies: Sequence[float]) -> None:
    pool.genotypes.append(genotype)
    pool.graphs.append(graph)
    for known, latency in zip(pool.known, latencies, strict=True):
        known.append(latency)


def _known(device: KnownDevice, genotype: Genotype, graph: onnx.ModelProto) -> float:
    try:
        return device.latency(genotype, graph)
    except UserError as error:
        raise UserError(f"library: {device.name} does not know this space ({error})") from None


def _library(config: DictConfig) -> list[str]:
    paths = plain(config.library)
    if not isinstance(paths, tuple):
        raise UserError(
            f"library={paths!r}: expected a list of files of tables or predictors, e.g. [pi4.json,xeon.json]"
        )
    return [check_path("library", path) for path in paths]


def _free_folder(out: Any, goes_on: bool) -> Path:
    if not out:
        raise UserError("few: out is not given, expected a folder for the list and the files: out=FOLDER")
    folder = Path(out)
    if goes_on and (folder / LIST).is_file():
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"out={str(folder)!r}: is there already, expected a new folder; answers={folder} learns from a list"
        )
    if not folder.parent.is_dir():
        raise UserError(f"out={str(folder)!r}: {folder.parent} is no folder, expected one to make the list's folder in")
    return folder


def _precision(target: Target | None) -> str:
    """Returns the precision of the files: that which the target's candidates have, where nastk writes it as ONNX."""
    precision = str(getattr(target, "precision", FLOAT32))
    return FLOAT32 if target is None or target.quantizer is not None else precision
