"""What a command asks `nastk.describe` for, checked before anything is counted or measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from nastk.checks import check_flag, check_name, check_path
from nastk.config.build import jsonable, plain
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.genotype.skeleton import SKELETONS, Skeleton, skeleton_named
from nastk.jobs.describe_list import network_files
from nastk.jobs.small_form import small_form
from nastk.networks import NetworkConfig
from nastk.outside import read_json

BLOCKS, ALL, NONE = "blocks", "all", "none"
PICTURE = ".svg"


@dataclass(frozen=True)
class Asked:
    """What is to be described, and how.

    Attributes:
        name: of the network, or of the file that it is in.
        genotype, config: of the network, all sizes given, in the small form where that is asked for.
        features: whether its feature maps are told.
        rows: of the table of layers: "blocks", "all" or "none".
        measure: whether each row gets its share of the latency.
        picture: the file to draw the network into, None for no drawing.
    """

    name: str
    genotype: Genotype
    config: NetworkConfig
    features: bool
    rows: str
    measure: bool
    picture: Path | None


def asked(config: DictConfig) -> Asked:
    """Returns what a configuration asks for.

    Raises:
        UserError: no genotype was given, or the file holds none; a setting that cannot be.
    """
    fields = {name: value for name, value in jsonable(plain(config.network)).items() if value is not None}
    features, small = fields.pop("features", False), fields.pop("small", False)
    check_flag("network.features", features)
    check_flag("network.small", small)
    check_flag("measure", config.measure)
    rows = check_name("layers", {True: BLOCKS, False: NONE}.get(config.layers, config.layers), (BLOCKS, ALL, NONE))
    picture = None if config.picture is None else _picture_path(config.picture)
    name, stored = str(HydraConfig.get().runtime.choices["network"]), fields.pop("genotype", None)
    if config.genotype is not None:
        path = Path(str(config.genotype))
        name, stored = path.stem, _genotype_in(path)
    if stored is None:
        raise UserError(f"nothing to describe: give network=NAME ({', '.join(network_files())}) or genotype=FILE")
    genotype = Genotype.from_dict(stored)
    skeleton = skeleton_named(genotype.skeleton)
    if config.genotype is not None:
        fields = _of_skeleton(fields, skeleton)
    network = NetworkConfig.from_dict(fields).of(genotype).complete(skeleton)
    if small:
        genotype, network = small_form(genotype, network)
    return Asked(name, genotype, network, features, rows, config.measure, picture)


def _picture_path(value: object) -> Path:
    """Returns the path of a picture that can be written; raises UserError where not."""
    path = Path(check_path("picture", value)).expanduser()
    if path.suffix.lower() != PICTURE:
        raise UserError(f"picture={str(path)!r}: the drawing is an SVG, expected a name that ends in {PICTURE}")
    if path.is_dir():
        raise UserError(f"picture={str(path)!r}: is a folder, expected a file to write")
    if not path.parent.is_dir():
        raise UserError(f"picture={str(path)!r}: {path.parent} is no folder, expected one to write the drawing to")
    return path


def _of_skeleton(fields: dict[str, Any], skeleton: Skeleton) -> dict[str, Any]:
    """Returns the fields without the sizes that the file of another network has, and this one's skeleton has not."""
    given = {word.lstrip("+~").partition("=")[0] for word in HydraConfig.get().overrides.task}
    foreign = {size.name for other in SKELETONS.values() for size in other.sizes} - set(skeleton.names)
    return {name: value for name, value in fields.items() if name not in foreign or f"network.{name}" in given}


def _genotype_in(path: Path) -> Any:
    data = read_json(path)
    return data["genotype"] if isinstance(data, dict) and "genotype" in data else data
