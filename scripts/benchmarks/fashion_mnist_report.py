"""Measures the networks that fashion_mnist.py trained, float32 and int8, and writes the table and the picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nastk.data.sources import FashionMnist
from nastk.deploy.images import balanced, normalised
from nastk.deploy.precision.quantize import quantize_int8
from nastk.deploy.runtimes.latency import measure
from nastk.deploy.runtimes.session import open_session, predict
from nastk.files import write_json, write_text

CALIBRATION = 256
PRECISIONS = ("fp32", "int8")


def write_report(
    options: argparse.Namespace, results: list[dict[str, Any]], found: str, origin: dict[str, Any]
) -> None:
    """Writes options.report (Markdown), and a .json and a .png beside it.

    Args:
        options: the command line of fashion_mnist.py.
        results: one a training: network, width, seed, accuracy, file, normalisation, ...
        found: the name of the searched family.
        origin: see `machine`.
    """
    score_files(results, options.root)
    families = list(dict.fromkeys(result["network"] for result in results))
    rows = [summary([result for result in results if result["network"] == family]) for family in families]
    measure_all(rows)
    lines = [
        "# Fashion-MNIST: searched cells against networks made by hand",
        "",
        f"`{options.command}`",
        "",
        *(f"- {name}: {value}" for name, value in origin.items()),
        "",
        f"All trained by one recipe (`training=fast`, {options.epochs} epochs of all 60,000 images, batch "
        f"{results[0]['settings']['batch']}), {options.seeds} seeds each, tested once on the 10,000 test images. Each "
        f"family at the greatest size within {options.limit:g} ms (fp32, batch 1, one thread, when it was chosen). "
        "Accuracy in %: mean and standard deviation over the seeds. Latency: p50 of the seed-0 files, all measured in "
        "turn in one process, batch 1, one thread. int8: calibrated on 256 training images.",
        "",
        "| network | parameters | MACs | accuracy fp32 | accuracy int8 | ms fp32 | ms int8 | spread |",
        "|---|---|---|---|---|---|---|---|",
        *(table_line(row) for row in rows),
        "",
        verdict(rows, found),
        "",
        f"![accuracy against latency]({options.report.with_suffix('.png').name})",
    ]
    write_text(options.report, "\n".join(lines) + "\n")
    plain = [{key: value for key, value in row.items() if key != "files"} for row in rows]
    trainings = [{**result, "file": Path(result["file"]).name} for result in results]
    write_json(options.report.with_suffix(".json"), {"origin": origin, "families": plain, "trainings": trainings})
    draw(rows, found, options.report.with_suffix(".png"))


def score_files(results: list[dict[str, Any]], root: str) -> None:
    """Adds "fp32" and "int8", the accuracies of the files on the test images, and makes the int8 files."""
    data = FashionMnist(root=root)
    test, train = data.test(), data.train()
    labels = test.y.numpy()
    few = balanced(train, CALIBRATION)
    for result in results:
        statistics = result["normalisation"]["mean"], result["normalisation"]["std"]
        quantized = int8_file(result["file"])
        quantize_int8(result["file"], quantized, normalised(few, *statistics))
        images = normalised(test.x, *statistics)
        for precision, file in zip(PRECISIONS, (result["file"], quantized), strict=True):
            result[precision] = share_right(file, images, labels)


def int8_file(file: Path) -> Path:
    """Returns where the quantized form of a file lies."""
    return file.with_suffix(".int8.onnx")


def share_right(file: Path, images: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Returns the accuracy of an ONNX file."""
    return float((predict(open_session(file.read_bytes(), 0), images).argmax(1) == labels).mean())


def summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns a family's row without its latencies."""
    first = results[0]
    return {
        "network": first["network"],
        "width": first["width"],
        "params": first["params"],
        "macs": first["macs"],
        "files": (first["file"], int8_file(first["file"])),
        **{name: [100 * result[name] for result in results] for name in PRECISIONS},
    }


def measure_all(rows: list[dict[str, Any]]) -> None:
    """Adds the latencies, all files measured in turn."""
    measured = iter(measure([file for row in rows for file in row["files"]], seconds=2.0))
    for row in rows:
        row["latency"] = {precision: next(measured).to_dict() for precision in PRECISIONS}


def table_line(row: dict[str, Any]) -> str:
    """Returns a line of the table."""
    name = row["network"] + (f", width {row['width']}" if row["width"] else "")
    accuracies = " | ".join(f"{mean(row[name]):.2f} ± {spread(row[name]):.2f}" for name in PRECISIONS)
    latencies = " | ".join(f"{row['latency'][name]['p50_ms']:.3f}" for name in PRECISIONS)
    worst = max(row["latency"][name]["spread"] for name in PRECISIONS)
    return f"| {name} | {row['params']:,} | {row['macs']:,} | {accuracies} | {latencies} | {100 * worst:.1f} % |"


def spread(values: list[float]) -> float:
    """Returns the standard deviation, 0 for one value."""
    return stdev(values) if len(values) > 1 else 0.0


def verdict(rows: list[dict[str, Any]], found: str) -> str:
    """Returns one sentence a hand-made family: by how much the searched one is ahead or behind."""
    ours = next((row for row in rows if row["network"] == found), None)
    if ours is None:
        return "No search took part."
    sentences = []
    for row in rows:
        if row is ours:
            continue
        gap = mean(ours["fp32"]) - mean(row["fp32"])
        error = (spread(ours["fp32"]) ** 2 / len(ours["fp32"]) + spread(row["fp32"]) ** 2 / len(row["fp32"])) ** 0.5
        ratio = ours["latency"]["fp32"]["p50_ms"] / row["latency"]["fp32"]["p50_ms"]
        sentences.append(
            f"Against {row['network']} the searched network is {gap:+.2f} points of accuracy (standard error "
            f"{error:.2f}) at {ratio:.2f} times its latency and {ours['params'] / row['params']:.2f} times its "
            "parameters."
        )
    return " ".join(sentences)


def draw(rows: list[dict[str, Any]], found: str, path: Path) -> None:
    """Draws accuracy against latency, a mark a seed, int8 hollow."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for colour, row in zip(("tab:blue", "tab:green", "tab:red", "tab:purple"), rows, strict=False):
        for precision in PRECISIONS:
            axes.plot(
                [row["latency"][precision]["p50_ms"]] * len(row[precision]),
                row[precision],
                "*" if row["network"] == found else "o",
                color=colour,
                markersize=11 if row["network"] == found else 7,
                fillstyle="full" if precision == "fp32" else "none",
                label=f"{row['network']}, {precision}",
            )
    axes.set_xlabel("latency, ms (p50, batch 1, one thread)")
    axes.set_ylabel("test accuracy, %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)
