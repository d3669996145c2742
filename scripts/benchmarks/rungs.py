"""What a score on the way says of the end: networks of a front benchmark's point, scored as successive halving does.

    python scripts/benchmarks/front.py --data DIR --work DIR --points cifar10-int8-0.1 --parts search
    python scripts/benchmarks/rungs.py --data DIR --work DIR [--point cifar10-int8-0.1] [--epochs 10]

Each network is trained to the end with one seed. On the way its averaged weights are scored on the images held out:
with the averages of its normalisations' statistics, and with statistics counted anew on training images. Beside both
stands the rank correlation with the end over all networks. Stopped or killed, it goes on where it was; use a --work
whose networks were not halved before.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from front import RIVALS, parser_of_trainings
from front_points import point_named
from front_train import HELD_OUT, Front, Trained
from machine import machine
from scipy.stats import kendalltau
from torch import nn

from nastk.errors import UserError
from nastk.files import write_json
from nastk.outside import read_object
from nastk.training import outcome, transfer
from nastk.training.scoring import Scores
from nastk.training.share import Share

AVERAGED, COUNTED = "averaged", "counted anew"


def main() -> None:
    parser = parser_of_trainings(__doc__)
    parser.add_argument("--point", default="cifar10-int8-0.1", help="whose search has begun in --work")
    parser.add_argument("--rivals", nargs="+", choices=RIVALS, default=list(RIVALS), help="that are trained")
    parser.add_argument("--short", nargs="*", choices=RIVALS, default=[], help="of them that are trained shortened too")
    parser.add_argument("--after", type=int, nargs="+", default=[1, 2, 3, 5, 7], help="epochs that are scored")
    options = parser.parse_args()
    try:
        _run(options)
    except UserError as error:
        sys.exit(f"error: {error}")


def _run(options: argparse.Namespace) -> None:
    front = Front(point_named(options.point), "mobile", options.data, options.work, 0, options.epochs, [])
    found = {one.name: scored(front, one, options.after) for one in front.rivals(options.rivals, options.short)}
    facts = machine()
    print(f"`{facts['command']}`, {facts['date']}, commit {facts['commit']}, {facts['processor']}\n")
    for line in table(found, options.after):
        print(line)


def scored(front: Front, network: Trained, epochs: list[int]) -> dict[str, Any]:
    """Returns the accuracy (0 to 1) of both kinds by epochs, and the one at the end; trains what was not trained.

    Raises:
        UserError: it was halved before, by something else.
    """
    path = network.folder / "averaged.json"  # the other kind is in the training's rungs.json, which is written after
    averaged: dict[str, float] = read_object(path) if path.exists() else {}
    counted: dict[str, float] = {}
    kept = transfer.score_on_the_way
    for after in map(str, epochs):

        def score_both(trained: nn.Module, parts: Any, *given: Any, after: str = after) -> Scores:
            normalisation, device, job = given
            found = outcome.score_share(trained, parts.held_out, normalisation, device, Share(), len(job.data.classes))
            averaged[after] = found.accuracy
            write_json(path, averaged)
            return kept(trained, parts, *given)

        transfer.score_on_the_way = score_both
        try:
            counted[after] = front.rung(network, int(after)).validation_accuracy
        finally:
            transfer.score_on_the_way = kept
        if after not in averaged:
            raise UserError(f"{network.folder}: was halved before, expected a --work where it was not")
    return {AVERAGED: averaged, COUNTED: counted, "end": front.train(network, 0)[HELD_OUT]}


def table(found: dict[str, dict[str, Any]], epochs: list[int]) -> list[str]:
    """Returns a row for each network, the best in the end first, and one of rank correlations with the end."""
    columns = [(kind, str(after)) for after in epochs for kind in (AVERAGED, COUNTED)]
    heads = [f"{kind}, {after}" for kind, after in columns]
    lines = ["| network | " + " | ".join(heads) + " | end |", "|---" * (len(columns) + 2) + "|"]
    for name, one in sorted(found.items(), key=lambda pair: -pair[1]["end"]):
        scores = [one[kind][after] for kind, after in columns] + [one["end"]]
        lines.append(f"| {name} | " + " | ".join(f"{100 * score:.1f}" for score in scores) + " |")
    ends = [one["end"] for one in found.values()]
    taus = [kendalltau([one[kind][after] for one in found.values()], ends).statistic for kind, after in columns]
    return [*lines, "| Kendall's tau with the end | " + " | ".join(f"{tau:.2f}" for tau in taus) + " | |"]


if __name__ == "__main__":
    main()
