"""What --help prints: the settings of a command as they stand in conf/, each with its comment; its own come first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from nastk.cli.interrupts import WHOLE
from nastk.config.build import shipped, shipped_spaces
from nastk.errors import unknown

HELP = ("--help", "-h")
OTHERS = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp")
PACKAGE = re.compile(r"# @package (\w+)\n")
LEFT_OUT = ("defaults", "hydra", "_target_")  # what Hydra reads


@dataclass(frozen=True)
class Part:
    """A file of settings.

    Attributes:
        path: of the file.
        package: the name that its settings stand under; "" for none.
        group: that it is an option of; "" for none.
    """

    path: Path
    package: str
    group: str = ""


def help_text(entry: str, words: Sequence[str]) -> str | None:
    """Returns the help of an entry point, with the options that the words choose.

    None where none is asked for, or Hydra has to tell it: of groups of the user's own, or an option that is none.

    Args:
        entry: as in `python -m nastk.<entry>`.
        words: of its command line.

    Raises:
        UserError: of the whole job nothing but choices are asked about, and one is none.
    """
    if not any(word in HELP for word in words) or any(word.partition("=")[0] in OTHERS for word in words):
        return None
    asked = [word.lstrip("+") for word in words if word not in HELP]
    if entry == WHOLE and asked and all(map(_may_be_choice, asked)):
        return choices_text(asked)
    first = shipped("conf") / f"{entry}.yaml"
    text = first.read_text(encoding="utf-8")
    chosen = {name.lstrip("+"): value for name, _, value in (word.partition("=") for word in words) if value}
    groups, parts = _walked(first, chosen)
    if "+space=" in text or "space" in chosen:
        groups["space"] = shipped_spaces()
        if "space" in chosen:
            parts.append(Part(shipped("search_spaces") / f"{chosen['space']}.yaml", "space", "space"))
    if not all(part.path.is_file() for part in parts):
        return None
    found = yaml.safe_load(text)["hydra"]["help"]
    told = {
        "${hydra.help.header}": found["header"],
        "$APP_CONFIG_GROUPS": "\n".join(f"{name}: {', '.join(options)}" for name, options in sorted(groups.items())),
        "$CONFIG": "\n".join(_joined([Part(first, ""), *parts])),
        "${hydra.help.footer}": found["footer"],
    }
    page: str = yaml.safe_load((shipped("conf/hydra") / "help/nastk.yaml").read_text(encoding="utf-8"))["template"]
    for place, value in told.items():
        page = page.replace(place, value)
    return page.replace("Groups: choose with group=option\n\n\n\n", "")


def choices_text(choices: Sequence[str]) -> str:
    """Returns the settings of options alone, for `nastk help data=image_folder`.

    Args:
        choices: "group=option" each.

    Raises:
        UserError: there is no such group, or no such option of it.
    """
    lines: list[str] = []
    for group, _, option in (choice.partition("=") for choice in choices):
        options = _options()
        if group not in options:
            raise unknown("group of settings", group, sorted(options))
        if option not in options[group]:
            raise unknown(f"option of {group}", option, options[group])
        folder = shipped("search_spaces") if group == "space" else shipped("conf") / group
        lines += [*_lines(Part(folder / f"{option}.yaml", group, group)), ""]
        others = ", ".join(name for name in options[group] if name != option)
        lines += [f"Other options of {group}: {others}"] if others else []
    return "\n".join([*lines, "nastk --help has the settings of the whole job, nastk help COMMAND those of a step."])


def _may_be_choice(word: str) -> bool:
    """Says whether a word is to name a group and its option, and no setting of the whole job."""
    name, sign, _ = word.partition("=")
    return bool(sign) and "." not in name and (name in _options() or name not in top_names(WHOLE))


def _options() -> dict[str, list[str]]:
    """Returns all groups with their options."""
    folders = [folder for folder in shipped("conf").iterdir() if folder.is_dir() and folder.name != "hydra"]
    found = {folder.name: sorted(file.stem for file in folder.glob("*.yaml")) for folder in folders}
    return {**found, "space": shipped_spaces()}


def top_names(entry: str) -> list[str]:
    """Returns the settings of an entry point that stand under no other, groups among them."""
    groups, parts = _walked(first := shipped("conf") / f"{entry}.yaml", {})
    found = [re.match(r"(\w+):", line) for line in _joined([Part(first, ""), *parts])]
    return list(dict.fromkeys([*(name[1] for name in found if name is not None), *groups, "space"]))


def group_names(entry: str) -> list[str]:
    """Returns the groups that an entry point's words choose an option of."""
    first = shipped("conf") / f"{entry}.yaml"
    return [*_walked(first, {})[0], *["space"] * ("+space=" in first.read_text(encoding="utf-8"))]


def _walked(path: Path, chosen: Mapping[str, str]) -> tuple[dict[str, list[str]], list[Part]]:
    """Returns the groups of a file's defaults with their options, and the files of settings, those of groups last."""
    groups: dict[str, list[str]] = {}
    plain: list[Part] = []
    options: list[Part] = []
    for one in yaml.safe_load(path.read_text(encoding="utf-8")).get("defaults") or ():
        if isinstance(one, str):
            if one != "_self_":
                other = shipped("conf") / f"{one}.yaml"
                inner, parts = _walked(other, chosen)
                groups |= inner
                plain.append(Part(other, _package(other)))
                options += parts
            continue
        (group, option), *_ = one.items()
        if group.startswith("override "):
            continue
        groups[group] = sorted(file.stem for file in (shipped("conf") / group).glob("*.yaml"))
        taken = chosen.get(group, option)
        if taken is not None:
            options.append(Part(shipped("conf") / group / f"{taken}.yaml", group, group))
    return groups, [*plain, *options]


def _package(path: Path) -> str:
    found = PACKAGE.match(path.read_text(encoding="utf-8"))
    return "" if found is None or found[1] == "_global_" else found[1]


def _joined(parts: Sequence[Part]) -> list[str]:
    """Returns the lines of all parts; what stands under the same name stands together."""
    lines: list[str] = []
    for part in parts:
        head, *more = [*_lines(part), ""]
        place = lines.index(f"{part.package}:") if f"{part.package}:" in lines else None
        if place is None:
            lines += [line for line in (head, *more) if line]
        else:
            lines[place + 1 : place + 1] = more[:-1]
    return lines


def _lines(part: Part) -> Iterator[str]:
    """Yields the lines of a part, those of a package beneath its name."""
    lines = list(_settings(part.path.read_text(encoding="utf-8")))
    if part.group and all(line.startswith("#") for line in lines):  # an option that has nothing to set
        yield f"# {part.group}={part.path.stem}: {' '.join(line.lstrip('# ') for line in lines)}".rstrip(": ")
        return
    if part.package:
        yield f"{part.package}:" + (f" # {part.group}={part.path.stem}" if part.group else "")
    yield from (f"  {line}" if part.package else line for line in lines)


def _settings(text: str) -> Iterator[str]:
    """Yields the lines of a file without those that only Hydra reads."""
    left_out = False
    for line in text.splitlines():
        key = re.match(r"(\w+):", line)
        if key is not None:
            left_out = key[1] in LEFT_OUT
        if line.strip() and not left_out and not line.startswith("# @package"):
            yield line
