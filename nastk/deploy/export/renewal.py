"""Gives an export newer latencies and what follows from them; manifest and model card change together, or neither."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from nastk.deploy.export.conclusions import Budget, concluded
from nastk.deploy.export.export_folder import rewritten
from nastk.deploy.export.model_card import CARD, model_card
from nastk.deploy.export.timings import fits, retimed
from nastk.deploy.manifest import MANIFEST
from nastk.deploy.runtimes.latency import Latency
from nastk.deploy.targets.target import Target
from nastk.outside import read_bytes

DROP = 0.005  # max_accuracy_drop of an export that does not say


@dataclass(frozen=True)
class Timed:
    """Latencies of a target's files by name, when and on what they were taken, as of `timings.timed_now`.

    `decide` is whether they say anything of where the files will run, see `Target`.
    """

    latencies: Mapping[str, Latency]
    at: Mapping[str, Any]
    decide: bool = True


def renewable(manifest: Mapping[str, Any]) -> bool:
    """Returns whether a manifest, which may have been written by anybody, says all that `renewed` needs."""
    try:
        dict(manifest["machine"])
        model_card(concluded(manifest, DROP, Budget({"params": 0.0, "macs": 0.0})), Path(os.devnull), None)
    except (KeyError, TypeError, AttributeError, ValueError, StopIteration, IndexError):
        return False
    return True


def stays(manifest: Mapping[str, Any], targets: Sequence[Target]) -> bool:
    """Returns whether an export of these targets need only be timed anew."""
    if not renewable(manifest) or manifest["target"] != targets[0].name:
        return False
    return all(target.still_fits(manifest["targets"].get(target.name, {})) for target in targets)


def renewed(
    folder: Path, manifest: Mapping[str, Any], timed: Mapping[str, Timed], budget: Budget, transfer_folder: Path
) -> dict[str, Any]:
    """Takes newer latencies over, where they are under the export's own conditions, and writes what changes.

    Args:
        folder: of the export.
        manifest: of it, `renewable`.
        timed: by target.
        budget: what the network may cost.
        transfer_folder: of the trained network, for the card; it may be gone.

    Returns:
        The content of manifest.json.

    Raises:
        UserError: the folder cannot be written; it is as it was.
    """
    settings, asked = (_object(manifest["source"].get(name)) for name in ("settings", "targets"))
    targets = dict(manifest["targets"])
    for name, found in timed.items():
        if name in targets and fits(targets[name], _object(asked.get(name)), found.latencies):
            entry = retimed(targets[name], found.latencies, found.at, manifest["machine"])
            targets[name] = {**entry, "times_decide": found.decide}
    drop = settings.get("max_accuracy_drop")
    new = concluded({**manifest, "targets": targets}, drop if isinstance(drop, int | float) else DROP, budget)
    if new == manifest:
        return new
    licence = settings.get("licence")
    before, after = (model_card(one, transfer_folder, licence) for one in (manifest, new))
    card = folder / CARD
    text = updated(_text_of(card), before, after) if card.is_file() else after
    data = json.dumps(new, indent=2, allow_nan=False) + "\n"
    rewritten(folder, {MANIFEST: data.encode(), CARD: text.encode("utf-8", "surrogateescape")})
    return new


def _text_of(card: Path) -> str:
    return read_bytes(card).decode("utf-8", "surrogateescape")


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def updated(text: str, before: str, after: str) -> str:
    """Returns a card with what differs between two versions of it, and with whatever a person has added to it.

    Where a person has changed the very lines that differ, it stays as it is; see `card_note`.

    Args:
        text: of the card, `before` with additions.
        before, after: as nastk writes it.
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    text = f"\n{text}"  # so that whole lines are found
    for kind, first, last, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        reach = 0  # lines before the change, which tell the place where the changed ones alone do not
        while text.count("\n" + "".join(old[first - reach : last])) != 1:
            reach += 1
            if reach > min(first, start) or old[first - reach] != new[start - reach]:
                return text[1:]
        text = text.replace("\n" + "".join(old[first - reach : last]), "\n" + "".join(new[start - reach : end]))
    return text[1:]


def card_note(folder: Path, manifest: Mapping[str, Any]) -> str | None:
    """Returns in one line that the card does not show the latencies of the manifest, or None where it does."""
    card = folder / CARD
    text = _text_of(card) if card.is_file() else ""
    rows = [line for line in model_card(manifest, folder, None).splitlines() if line.startswith("| `")]
    if all(row in text for row in rows):
        return None
    return f"{card}: was changed by hand and does not show the newest latencies, which are in {MANIFEST}"
