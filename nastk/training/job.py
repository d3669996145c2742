"""A final training as plain data: what a process that shares in it reads from the folder, and nothing from pickle."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from nastk.config.build import build
from nastk.data.images import DataSource
from nastk.errors import UserError
from nastk.files import write_json
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.outside import read_json
from nastk.training.initial import Initial, initial_node, initial_of
from nastk.training.run_settings import RunSettings
from nastk.training.teacher import Teacher, trained_teacher
from nastk.training.transfer_settings import TransferSettings

SCHEMA = 1
JOB, LOG = "job.json", "ranks.log"
BUILT = {"data": DataSource, "settings": TransferSettings, "run": RunSettings}


class Job(NamedTuple):
    """What is trained, on what, how, on how many devices, from which weights, and by whom taught.

    Attributes:
        initial: weights to begin with; None for random ones.
        teacher: is not written down: each process opens the one that the settings name.
    """

    genotype: Genotype
    network: NetworkConfig
    data: DataSource
    settings: TransferSettings
    run: RunSettings
    initial: Initial | None = None
    teacher: Teacher | None = None

    def taught(self) -> Job:
        """Returns the job with the teacher that its settings name, where it is a trained network; raises UserError."""
        path = self.settings.teacher
        if self.teacher is not None or path is None:
            return self
        teacher = trained_teacher(Path(path))
        teacher.check(self.data)
        return self._replace(teacher=teacher)


def write_job(folder: Path, job: Job) -> None:
    """Writes job.json; raises UserError where the folder cannot be written or a part is no dataclass of nastk's."""
    write_json(
        folder / JOB,
        {
            "schema": SCHEMA,
            "genotype": job.genotype.to_dict(),
            "network": job.network.to_dict(),
            **{name: _node(getattr(job, name)) for name in BUILT},
            "initial": initial_node(job.initial),
        },
    )


def read_job(folder: Path) -> Job:
    """Reads what `write_job` wrote; every field is checked against its type, and only nastk's classes are built.

    Raises:
        UserError: it is missing, damaged or of another version.
    """
    path = folder / JOB
    found = read_json(path)
    if not isinstance(found, dict) or found.get("schema") != SCHEMA or {"genotype", "network", *BUILT} - found.keys():
        raise UserError(f"{path}: expected an object with schema {SCHEMA}, genotype, network, {', '.join(BUILT)}")
    made = [build(found[name], name, kind) for name, kind in BUILT.items()]
    initial = initial_of(found.get("initial"), str(path))
    return Job(Genotype.from_dict(found["genotype"]), NetworkConfig.from_dict(found["network"]), *made)._replace(
        initial=initial
    )


def _node(value: Any) -> dict[str, Any]:
    """Returns a frozen dataclass as `nastk.config.build.build` takes it: its name and its fields."""
    kind = type(value)
    if not dataclasses.is_dataclass(value):
        raise UserError(f"data {kind.__name__}: cannot be handed to several processes, expected a dataclass of nastk's")
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    return {"_target_": f"{kind.__module__}.{kind.__qualname__}", **fields}
