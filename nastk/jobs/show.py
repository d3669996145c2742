"""The drawing of a network as a step: of a file, of one that comes with nastk, or of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nastk.checks import check_path
from nastk.config.build import load_yaml, shipped
from nastk.errors import UserError, nearest, unknown
from nastk.files import write_bytes, write_text
from nastk.genotype import Genotype
from nastk.outside import read_json
from nastk.reports import final_table
from nastk.reports.drawings import draw_genotype
from nastk.reports.drawn_networks import networks_of
from nastk.reports.one_page import one_page
from nastk.reports.raster import to_png
from nastk.runs.contents import read_run
from nastk.runs.folder import existing_run

SUFFIXES = (".svg", ".png")
SHOWN = 8  # characters of a key in the name of a file


def run_show(config: DictConfig) -> Path:
    """Draws what is asked for into a file; returns its path.

    Raises:
        UserError: neither or both of run and genotype are given, there is no such network, it has no drawing, or the
            file cannot be written.
    """
    if (config.run is None) == (config.genotype is None):
        found = "neither" if config.run is None else "both"
        raise UserError(f"run, genotype: {found} given, expected run=NAME, or genotype=FILE or a network's name")
    if config.key is not None and config.run is None:
        raise UserError(f"key={config.key!r}: is of a run's network, expected run=NAME with it")
    picture = None if config.picture is None else _picture(config.picture)
    if config.run is not None:
        name, genotype, told = _of_run(existing_run(config.run, config.runs), config.key)
    else:
        name, genotype = _given(str(config.genotype))
        told = name
    drawings = list(draw_genotype(genotype, told).values())
    if not drawings:
        raise UserError(f"{name}: networks of {genotype.skeleton!r} have no drawing")
    drawing = one_page(drawings)
    path = picture or _picture(f"{name}.svg")
    if path.suffix.lower() == ".png":
        write_bytes(path, to_png(drawing))
    else:
        write_text(path, drawing)
    return path


def _picture(value: object) -> Path:
    """Returns where to draw; raises UserError where that cannot be."""
    path = Path(check_path("picture", value)).expanduser()
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"picture={str(path)!r}: expected a name that ends in {' or '.join(SUFFIXES)}")
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(f"picture={str(path)!r}: expected a file to write, in a folder that is there")
    return path


def _of_run(folder: Path, key: object) -> tuple[str, Genotype, str]:
    """Returns name, genotype and title of a run's best network, or of the one whose key begins so."""
    run = read_run(folder)
    known = networks_of(run, final_table(run))
    if not known:
        raise UserError(f"{folder}: has no trained candidate to draw yet")
    wanted = next(iter(known)) if key is None else _one(str(key), known, folder)
    genotype, told = known[wanted]
    return f"{folder.resolve().name}-{wanted[:SHOWN]}", genotype, told


def _one(key: str, known: Mapping[str, Any], folder: Path) -> str:
    found = [one for one in known if one.startswith(key)]
    if not key or len(found) != 1:
        many = f"{len(found)} networks have it" if found else f"nearest is {nearest(key, known)[0]!r}"
        raise UserError(f"key={key!r}: expected the beginning of one key of {folder}; {many}")
    return found[0]


def _given(value: str) -> tuple[str, Genotype]:
    """Returns name and genotype of a file, or of a network that comes with nastk."""
    networks = {path.stem: path for path in (shipped("conf") / "network").glob("*.yaml") if path.stem != "default"}
    path = Path(value).expanduser()
    if not path.exists() and value in networks:
        return value, Genotype.from_dict(OmegaConf.to_container(load_yaml(networks[value]).genotype))
    if not path.exists() and path.parent == Path() and not path.suffix:
        raise unknown("network, and no such file: genotype", value, networks)
    data = read_json(path)
    stored = data["genotype"] if isinstance(data, dict) and "genotype" in data else data
    try:
        return path.stem, Genotype.from_dict(stored)
    except UserError as error:
        raise UserError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
