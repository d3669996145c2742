"""Which targets an export is for: the one that is given, further ones, and those that it has files of already."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from nastk.config.build import build, check_type, load_yaml, plain, shipped
from nastk.config.trust import trusted_class
from nastk.deploy.export.export_folder import recorded_targets
from nastk.deploy.targets import Target
from nastk.errors import UserError, unknown


def export_targets(config: DictConfig, run: Path | None) -> list[Target]:
    """Returns the target that the network was searched for, or the one that is given, and `export.also`'s."""
    node = config.get("target")
    if node is None:
        node = load_yaml(shipped("conf") / "target" / "cpu.yaml" if run is None else run / "config.yaml")
        node = node if run is None else node.get("target")
    main: Target = build(node, "target", Target)
    also = also_targets(config)
    return [main, *(target for target in also if target.name != main.name)]


def also_targets(config: DictConfig) -> list[Target]:
    """Returns the targets that `export.also` names, each with the settings of its file in conf/target."""
    names = plain(config.export).get("also") or ()
    check_type(names, tuple[str, ...], "export.also")
    folder = shipped("conf") / "target"
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    for name in names:
        if name not in known:
            raise unknown("target in export.also", name, known)
    nodes = {name: load_yaml(folder / f"{name}.yaml") for name in names}
    for name, node in nodes.items():
        if _kind(folder / f"{name}.yaml").over_network and node.get("host", "") is None:
            raise UserError(f"export.also={name}: host not given, expected target={name} target.host=VALUE")
        for missing in OmegaConf.missing_keys(node):
            raise UserError(f"export.also={name}: {missing} not given, expected target={name} target.{missing}=VALUE")
    return [build(node, f"target {name}") for name, node in nodes.items()]


def earlier_targets(out: Path, named: Collection[str]) -> list[Target]:
    """Returns the targets that an export has files of beside the named ones, with the settings that it had for them.

    An export for one more target adds to what is there; what it cannot write again, it refuses to take away.

    Raises:
        UserError: they cannot be written again, for want of a tool or of a machine; nothing was changed.
    """
    folder = shipped("conf") / "target"
    found: list[Target] = []
    for name, fields in recorded_targets(out).items():
        if name in named:
            continue
        path = folder / f"{name}.yaml"
        # Another machine is reached where the command says so, and not because a file says that it once was.
        if not path.is_file() or _kind(path).over_network:
            raise UserError(
                f"{out}: has files of target {name}, which this export would take away; give target={name} with its "
                f"settings and export.also=[{','.join(named)}], or move the folder away; nothing was replaced"
            )
        node = OmegaConf.merge(load_yaml(path), fields)
        found.append(_checked(out, build(node, f"target {name} of {out}", Target)))
    if found:
        names = ", ".join(target.name for target in found)
        print(f"export {out.name[:8]}: keeps its files for {names}, written again", file=sys.stderr)
    return found


def _kind(path: Path) -> type[Target]:
    return trusted_class(str(load_yaml(path).get("_target_")), f"target {path.stem}", Target)


def _checked(out: Path, target: Target) -> Target:
    try:
        target.check()
    except UserError as error:
        raise UserError(
            f"{out}: has files of target {target.name} that cannot be written again here: {error}"
        ) from None
    return target
