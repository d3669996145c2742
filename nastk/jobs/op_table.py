"""The bench of operations, `ops=true`: a table of latencies for a space's networks, measured once on a device."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nastk.checks import check_whole
from nastk.config.build import jsonable, load_yaml, plain, shipped
from nastk.deploy.cost.op_bench import measure_ops
from nastk.deploy.cost.table import OpTable, write_table
from nastk.deploy.targets.cpu import CpuTarget
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.jobs.candidate_input import SIDE, SIZES, is_open, with_values
from nastk.jobs.parts import make_evaluator, make_space, make_target, run_config
from nastk.networks import NetworkConfig
from nastk.spaces import Space, random_genotype

TABLE = "latency-table.json"
CPU = "nastk.deploy.targets.cpu.CpuTarget"
LEAST_NETWORKS, MOST_NETWORKS = 10, 10_000


def run_op_bench(config: DictConfig) -> tuple[Path, OpTable]:
    """Measures the operations of the networks that a run searched, or of `+space` with the settings of `network`.

    Returns:
        the path of the table, and the table.

    Raises:
        UserError: neither run nor space, a target that cannot be timed here or has no profiler, no place to write to.
    """
    networks = check_whole("ops_networks", config.ops_networks, LEAST_NETWORKS, MOST_NETWORKS)
    if config.model is not None:
        raise UserError("ops=true: times operations of a space, not of an export; give run=NAME or +space=NAME")
    target, space, network, place = asked_networks(config)
    # ONNX Runtime on a CPU has the profiler that tells operations apart.
    if not isinstance(target, CpuTarget):
        raise UserError(
            f"ops=true: target {target.name} has no times of single operations; the targets are cpu and arm"
        )
    reason = target.cannot_time()
    if reason is not None:
        raise UserError(reason)
    path = Path(config.out) if config.out else place / TABLE
    if not path.parent.is_dir():
        raise UserError(f"out={str(path)!r}: {path.parent} is no folder, expected one to write the table to")
    # What runs for ARM on ARM is what the CPU at hand runs; only int8 files are others.
    conditions = CpuTarget(target.threads, target.batch, target.precision, target.seconds)
    table = measure_ops(_draws(space, config.seed), network, conditions, networks, _tell, target.scheme)
    write_table(path, table)
    return path, table


def as_text(table: OpTable) -> str:
    """Returns what a person wants to know of a table: its extent and its dearest operations."""
    rows = sorted(table.rows.items(), key=lambda row: -row[1].ms)[:10]
    return "\n".join(
        [
            f"{len(table.rows)} operations of {table.networks} networks on {table.device['processor']}, "
            f"{table.precision}, batch {table.batch}, {table.threads or 'all'} threads; the dearest:",
            *(f"  {timed.ms:9.4f} ms  {op}" for op, timed in rows),
            *[
                f"warning: not trustworthy: {table.unsteady} of {table.networks} networks were timed only while the "
                "machine was busy; measure the table anew on one that does nothing else"
            ]
            * bool(table.unsteady),
        ]
    )


def asked_networks(config: DictConfig) -> tuple[Any, Space, NetworkConfig, Path]:
    """Returns target, space and network of the run that is named, or of `+space` and the settings; and its folder.

    Raises:
        UserError: neither run nor space, or a run whose candidates were no networks.
    """
    if config.run is None:
        fields = jsonable(plain(config.network))
        fields.pop("genotype", None)
        given = config if config.get("target") is not None else OmegaConf.create({"target": {"_target_": CPU}})
        asked = NetworkConfig.from_dict(fields)
        sized = with_values(config, {SIDE: asked.size}) if is_open(config, SIDE) else config
        space = make_space(sized)
        return make_target(given), space, NetworkConfig.from_dict(_of_space(fields, space)), Path()
    place, searched = run_config(config)
    evaluator = make_evaluator(searched)
    network = evaluator.network_config
    if network is None:
        raise UserError(f"{place}: was searched in a table, its candidates were no networks; give +space=NAME")
    target = make_target(config if config.get("target") is not None else searched)
    return target, make_space(searched), network, place


def _of_space(fields: dict[str, Any], space: Space) -> dict[str, Any]:
    """Returns a network's settings without the sizes of cells that stand there by default, where the space has none."""
    usual = load_yaml(shipped("conf") / "network" / "default.yaml")
    own = random_genotype(space, random.Random(0)).plan.names
    return {
        name: value for name, value in fields.items() if name not in SIZES or name in own or value != usual.get(name)
    }


def _draws(space: Space, seed: int) -> Iterator[Genotype]:
    rng = random.Random(seed)
    while True:
        yield random_genotype(space, rng)


def _tell(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr)
