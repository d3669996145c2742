"""Measures what knowing a candidate's cost takes, and whether the quickly written file runs like any other exporter's.

    python scripts/benchmarks/cost.py --out scripts/benchmarks/reports/<date>-cost.md

Writes a report in Markdown: three ways to write an ONNX file compared in seconds, latency and parity with torch; where
the time of one candidate goes; how much of random candidates runs in int8, and how fast; the time of nastk's
quantizer against that of ONNX Runtime's `quantize_static`.
"""

from __future__ import annotations

import argparse
import logging
import random
import shlex
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from nastk.config.build import build, load_yaml, shipped
from nastk.deploy.cost.cost import static_cost
from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.onnx.torch_exporter import exported_model
from nastk.deploy.onnx.writer import onnx_model, quick_model, serialise
from nastk.deploy.precision.calibrate import BATCH, tensor_ranges
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.quantize import assumed_ranges, quantize_int8, quantized_model
from nastk.deploy.runtimes.latency import measure, quick_latency
from nastk.deploy.runtimes.machine import machine_facts, versions
from nastk.deploy.runtimes.session import open_session, predict
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network, count_macs, count_parameters
from nastk.runs.folder import git_commit
from nastk.spaces import NasnetSpace, Space, random_genotype

Subject = tuple[str, Genotype, NetworkConfig]
CALIBRATION = 256
PARTS = ("exporters", "split", "int8", "quantizers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=6, help="random candidates of two spaces")
    parser.add_argument("--seconds", type=float, default=3.0, help="latency measurement a file")
    parser.add_argument("--pairs", type=int, default=5, help="of runs of both quantizers, a network")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    candidates: list[Subject] = [
        (f"candidate {seed}", random_genotype(NasnetSpace(), random.Random(seed)), NetworkConfig())
        for seed in range(arguments.candidates)
    ]
    space = build(load_yaml(shipped("search_spaces") / "mobile.yaml"), "space", Space)
    mobile: list[Subject] = [
        (f"mobile {seed}", random_genotype(space, random.Random(seed)), NetworkConfig(size=64))
        for seed in range(arguments.candidates)
    ]
    with tempfile.TemporaryDirectory() as folder:
        made = {
            "exporters": lambda: exporters(
                [candidates[0], candidates[1], _nasnet_a()], Path(folder), arguments.seconds
            ),
            "split": lambda: candidate_split([*candidates, *mobile]),
            "int8": lambda: int8(candidates, Path(folder), arguments.seconds),
            "quantizers": lambda: quantizers(candidates, Path(folder), arguments.pairs),
        }
        parts = [_heading(), *(made[name]() for name in arguments.parts)]
    report = "\n\n".join(parts) + "\n"
    if arguments.out is None:
        print(report)
    else:
        arguments.out.write_text(report)


def exporters(subjects: list[Subject], folder: Path, seconds: float) -> str:
    """Compares the three ways to write a file."""
    ways: dict[str, Callable[[nn.Module, tuple[int, ...]], bytes]] = {
        "fx (ours)": lambda network, shape: serialise(quick_model(network, shape)),
        "TorchScript": _torchscript,
        "dynamo": lambda network, shape: serialise(exported_model(network, shape)),
    }
    rows = []
    for name, genotype, config in subjects:
        network = _network(genotype, config)
        shape = (1, config.channels, config.size, config.size)
        paths, times = [], []
        for index, way in enumerate(ways.values()):
            start = time.perf_counter()
            data = way(network, shape)
            times.append(time.perf_counter() - start)
            paths.append(folder / f"{index}.onnx")
            paths[-1].write_bytes(data)
        latencies = measure(paths, seconds=seconds)
        images = torch.randn((16, *shape[1:]), generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            expected = network(images).numpy()
        for index, way_name in enumerate(ways):
            found = predict(open_session(paths[index].read_bytes()), images.numpy())
            latency = latencies[index]
            rows.append(
                f"| {name} | {len(list(network.modules()))} | {way_name} | {times[index]:.2f} | {latency.p50_ms:.3f} | "
                f"{latency.p50_ms / latencies[0].p50_ms:.3f} | {latency.min_ms:.3f} | "
                f"{latency.min_ms / latencies[0].min_ms:.3f} | {100 * latency.spread:.1f} | "
                f"{np.abs(found - expected).max() / np.abs(expected).max():.1e} |"
            )
        _say(f"exporters: {name} done")
    return (
        "## Three ways to write the file\n\n"
        "Latency: ONNX Runtime, batch 1, one thread, files of one network in turn. Difference: greatest of a logit,\n"
        "over the greatest logit, 16 random images.\n\n"
        "| network | modules | writer | seconds | p50 ms | over fx's | least ms | over fx's | spread % | difference |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n" + "\n".join(rows)
    )


def candidate_split(candidates: list[Subject]) -> str:
    """Says where the time of one candidate goes."""
    _, genotype, config = candidates[0]
    static_cost(genotype, config)  # what is imported and set up once in a process
    rows = []
    for name, genotype, config in candidates:
        shape = (1, config.channels, config.size, config.size)
        clock = [time.perf_counter()]

        def lap(clock: list[float] = clock) -> None:
            clock.append(time.perf_counter())

        network = build_network(genotype, config).eval()
        lap()
        count_parameters(network, auxiliary=False)
        count_macs(network, config)
        lap()
        model = onnx_model(network, shape)
        lap()
        int8_file = serialise(quantized_model(model, assumed_ranges(model)))
        lap()
        sessions = [open_session(serialise(model))]
        lap()
        sessions.append(open_session(int8_file))
        lap()
        images = np.zeros(shape, np.float32)
        found = []
        for session in sessions:
            found.append(quick_latency(session, images))
            lap()
        build, count, export, quantize, session32, session8, clock32, clock8 = np.diff(clock)
        shared = build + count + export
        rows.append(
            f"| {name} | {build:.2f} | {count:.2f} | {export:.2f} | {session32:.2f} | {clock32:.2f} | "
            f"**{shared + session32 + clock32:.2f}** | {quantize:.2f} | {session8:.2f} | {clock8:.2f} | "
            f"**{shared + quantize + session8 + clock8:.2f}** | {found[0]:.2f} | {found[1]:.2f} |"
        )
    _say("candidates done")
    return (
        "## Seconds for a candidate\n\n"
        "NASNet space, N = 2, F = 16, 32 x 32 x 3; mobile space, 64 x 64 x 3. What a process does once (torch's\n"
        "counter imports its tables) is left out.\n\n"
        "| network | build | count | export | session | measure | fp32 in all | quantize | session | measure | "
        "int8 in all | fp32 ms | int8 ms |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n" + "\n".join(rows)
    )


def int8(candidates: list[Subject], folder: Path, seconds: float) -> str:
    """Says how much runs in int8 and how fast, for two widths, and whether untrained and unquantized files tell."""
    rows = []
    for filters in (16, 32):
        for name, genotype, config in candidates[:4]:
            wide = replace(config, filters=filters)
            network = _network(genotype, wide)
            model = quick_model(network, (1, wide.channels, wide.size, wide.size))
            images = np.random.default_rng(0).standard_normal((32, wide.channels, wide.size, wide.size), np.float32)
            models = {
                "fp32": model,
                "untrained": onnx.load_from_string(static_cost(genotype, wide).file),
                "int8": quantized_model(model, tensor_ranges(model, images)),
                "assumed": onnx.load_from_string(static_cost(genotype, wide, "int8").file),
            }
            paths = []
            for kind, content in models.items():
                paths.append(folder / f"{kind}.onnx")
                paths[-1].write_bytes(serialise(content))
            fp32, untrained, quantized, assumed = (latency.p50_ms for latency in measure(paths, seconds=seconds))
            share = int8_share(folder / "int8.onnx")
            kinds = sorted({node.op for node in share.float_nodes})
            rows.append(
                f"| {name} | {filters} | {share.in_int8} of {share.convolutions} | {', '.join(kinds) or 'none'} | "
                f"{fp32:.2f} | {quantized:.2f} | {fp32 / quantized:.2f} | {untrained / fp32:.3f} | "
                f"{assumed / quantized:.3f} |"
            )
        _say(f"int8 at {filters} filters done")
    return (
        "## int8\n\n"
        "Untrained over trained: the file that the search measures, over one with statistics as after training.\n"
        "Assumed over calibrated: the int8 file that the search measures (ranges assumed), over one calibrated on\n"
        "images.\n\n"
        "| network | F | convolutions in int8 | float nodes | fp32 ms | int8 ms | fp32 / int8 | untrained / trained | "
        "assumed / calibrated |\n|---|---|---|---|---|---|---|---|---|\n" + "\n".join(rows)
    )


def quantizers(candidates: list[Subject], folder: Path, pairs: int) -> str:
    """Compares nastk's quantizer with ONNX Runtime's on the same graph and images, in turn, and in turn first.

    Both read a file, calibrate by least and greatest values, and write uint8 activations and int8 weights a channel.
    """
    sides = {"nastk": quantize_int8, "quantize_static": _quantize_static}
    rows, every = [], []
    for name, genotype, config in candidates[:4]:
        source = folder / "float.onnx"
        source.write_bytes(serialise(quick_model(_network(genotype, config), (1, 3, config.size, config.size))))
        shape = (CALIBRATION, config.channels, config.size, config.size)
        images = np.random.default_rng(0).standard_normal(shape, np.float32)
        for side in sides.values():  # what is imported and set up once in a process
            side(source, folder / "int8.onnx", images[:2])
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for pair in range(pairs):
            for side in list(sides)[:: -1 if pair % 2 else 1]:
                start = time.perf_counter()
                sides[side](source, folder / f"{side}.onnx", images)
                seconds[side].append(time.perf_counter() - start)
        ours, theirs = (np.array(seconds[side]) for side in sides)
        ratios = theirs / ours
        every += [*ratios]
        rows.append(
            f"| {name} | {np.median(ours):.2f} | {np.median(theirs):.2f} | {np.median(ratios):.2f} | "
            f"{ratios.min():.2f} to {ratios.max():.2f} |"
        )
    _say("quantizers done")
    return (
        "## The quantizer against ONNX Runtime's\n\n"
        f"Seconds from a float32 file to an int8 file, {CALIBRATION} images, QDQ, least and greatest values. "
        f"{pairs} pairs a network,\nof all {len(every)} pairs the median of quantize_static's time over nastk's is "
        f"{np.median(every):.2f}, quartiles {np.quantile(every, 0.25):.2f} and {np.quantile(every, 0.75):.2f}.\n\n"
        "| network | nastk | quantize_static | ratio, median | least to greatest |\n|---|---|---|---|---|\n"
        + "\n".join(rows)
    )


def _quantize_static(source: Path, out: Path, images: NDArray[np.float32]) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Batches(CalibrationDataReader):
        def __init__(self) -> None:
            self._batches = iter([images[start : start + BATCH] for start in range(0, len(images), BATCH)])

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            batch = next(self._batches, None)
            return None if batch is None else {INPUT: batch}

    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(source, out, Batches(), quant_format=QuantFormat.QDQ, per_channel=True, **types)


def _torchscript(network: nn.Module, shape: tuple[int, ...]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        axes = {"image": {0: "batch"}, "logits": {0: "batch"}}
        names = {"input_names": ["image"], "output_names": ["logits"], "dynamic_axes": axes}
        torch.onnx.export(network, (torch.zeros(shape),), str(path), dynamo=False, opset_version=20, **names)
        return path.read_bytes()


def _network(genotype: Genotype, config: NetworkConfig) -> nn.Module:
    """Returns the network with statistics as training gives them, so that folding them changes every weight."""
    torch.manual_seed(0)
    network = build_network(genotype, config)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.05, 0.4)
    return network.eval()


def _nasnet_a() -> Subject:
    from omegaconf import OmegaConf

    from nastk.config.build import load_yaml, shipped

    fields = OmegaConf.to_container(load_yaml(shipped("conf") / "network" / "nasnet_a_cifar.yaml"))
    return "NASNet-A 6 @ 768", Genotype.from_dict(fields.pop("genotype")), NetworkConfig.from_dict(fields)


def _heading() -> str:
    facts = {"date": date.today().isoformat(), "commit": git_commit(), **machine_facts(), **versions()}
    lines = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    busy = (facts["load"] or 0) > facts["cores"] / 2
    note = "\n\nThe machine was busy with other work: read the ratios, not the milliseconds." if busy else ""
    return f"# Cost of a candidate\n\n`python {shlex.join(sys.argv)}`\n\n{lines}{note}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
