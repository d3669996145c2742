"""What a search finds against every network made by hand, at the same measured latency: accuracy over latency.

    python scripts/benchmarks/front.py --data DIR --work DIR [--points photos20-fp32-0.15 ...] [--parts search rivals]
    python scripts/benchmarks/front.py --data DIR --work DIR --parts report --out reports/<date>-front.md

At each point one search is run as a user would run it, and its candidates go through successive halving, as in
a transfer. Rivals are the families of conf/network, each sized to the limit by measuring. Every network is trained by
the same recipe on the same images, without those held out; the best rivals and the finalists of the search by held-out
images are trained with further seeds, each of which holds out other images, and exported and measured. The test images
decide nothing. Stopped or killed, it goes on where it was: what is trained is not trained again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from front_points import POINTS, point_named
from front_report import write_report
from front_train import Front, Trained

from nastk.errors import UserError
from nastk.jobs.transfer.halving import ENTRANTS

RIVALS = (
    *("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v4_conv_small", "shufflenet_v2_x1_0"),
    *("pp_lcnet_x1_0", "resnet18", "repvgg_a0", "efficientnet_b0", "efficientnet_v2_s", "fasternet_t0", "mobileone_s0"),
)
PARTS = ("search", "rivals", "report")


def parser_of_trainings(told: str | None) -> argparse.ArgumentParser:
    """Returns the parser of what every benchmark that trains at a point is told; `told` is for its help."""
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of fashion-mnist/, cifar10/ and photos/")
    parser.add_argument("--work", type=Path, required=True, help="folder of runs and trainings; an earlier one goes on")
    parser.add_argument("--epochs", type=int, help="of a full training; default: nastk's own")
    return parser


def main() -> None:
    parser = parser_of_trainings(__doc__)
    parser.add_argument("--points", nargs="+", default=list(POINTS), help=f"of {', '.join(POINTS)}")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, default=3, help="of the best by held-out images")
    parser.add_argument("--spaces", nargs="+", default=["mobile"], help="that are searched; further ones stand beside")
    parser.add_argument("--trials", type=int, default=24, help="candidates that a search trains")
    parser.add_argument("--entrants", type=int, default=ENTRANTS, help="candidates that begin to be trained in full")
    parser.add_argument("--finalists", type=int, default=2, help="of them that are trained to the end, with every seed")
    parser.add_argument("--top", type=int, default=3, help="rivals that are trained with every seed")
    parser.add_argument("--rivals", nargs="+", choices=RIVALS, default=list(RIVALS), help="that are trained")
    parser.add_argument("--short", nargs="*", choices=RIVALS, default=[], help="rivals that enter shortened too")
    parser.add_argument("--halve-rivals", action="store_true", help="by successive halving too, down to the best --top")
    parser.add_argument("--set", nargs="*", default=[], dest="words", help="further settings of the search")
    parser.add_argument("--out", type=Path, help="report to write, a .png beside it; default: print the table")
    options = parser.parse_args()
    try:
        _run(options)
    except UserError as error:
        sys.exit(f"error: {error}")


def _run(options: argparse.Namespace) -> None:
    points = [point_named(name) for name in options.points]
    options.work.mkdir(parents=True, exist_ok=True)
    for point in points:
        for space in options.spaces:
            front = Front(point, space, options.data, options.work, options.trials, options.epochs, options.words)
            if "search" in options.parts:
                front.search()
                finalists = front.halved(front.found(options.entrants), options.finalists, front.run.name)
                _train_best(front, finalists, options.finalists, options.seeds)
            if "rivals" in options.parts and space == options.spaces[0]:
                rivals = front.rivals(options.rivals, options.short)
                if options.halve_rivals:
                    rivals = front.halved(rivals, options.top, "rivals")
                _train_best(front, rivals, options.top, options.seeds)
    if "report" in options.parts:
        write_report(options.work, points, options.out)


def _train_best(front: Front, networks: list[Trained], most: int, seeds: int) -> None:
    """Trains each network once, then those best on held-out images with the other seeds, and exports these."""
    for network in networks:
        front.train(network, 0)
    best = sorted(networks, key=lambda one: -front.held_out(one))[:most]
    for network in best:
        for seed in range(seeds):
            front.train(network, seed)
            front.export(network, seed)


if __name__ == "__main__":
    main()
