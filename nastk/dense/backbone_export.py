"""A trained network without its head as files: maps at several strides for whoever builds on them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nastk.dense.best import stored
from nastk.dense.onnx_files import checked_model, int8_maps
from nastk.deploy.export.export_folder import clear_left_over, partial_folder, put_in_place
from nastk.deploy.images import ImageSource, balanced, check_source, normalised
from nastk.deploy.manifest import describe_files
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.runtimes.machine import versions
from nastk.errors import UserError
from nastk.files import write_bytes, write_json
from nastk.networks.count import count_macs, count_parameters
from nastk.networks.features import FeatureNetwork, map_facts, map_names
from nastk.networks.stored import Trained, load_trained

SCHEMA = 1
ONNX, ONNX_INT8, WEIGHTS, FACTS = "backbone.onnx", "backbone.int8.onnx", "backbone.safetensors", "backbone.json"
COMPARED = 64  # test images on which the files are compared


def export_backbone(transfer_folder: Path, out_folder: Path, data: ImageSource, calibration: int) -> dict[str, Any]:
    """Writes backbone.onnx, backbone.int8.onnx, backbone.safetensors and backbone.json; all of them or none.

    Args:
        transfer_folder: of the trained network.
        out_folder: replaced at once.
        data: what the network was trained on.
        calibration: how many training images the int8 ranges are taken from.

    Returns:
        The content of backbone.json: maps with name, stride, channels and size, how the files compare, preprocessing.

    Raises:
        UserError: the network is missing or damaged, has no feature maps, or the data are not what it was trained on.
        ParityError: the float32 file does not compute what the network does.
    """
    trained = load_trained(transfer_folder)
    check_source(data, trained.config, trained.facts["classes"])
    backbone = FeatureNetwork(trained.network, *trained.config.shape).eval()
    mean, std = (trained.facts["normalisation"][name] for name in ("mean", "std"))
    seen, unseen = (
        normalised(balanced(images, count), mean, std)
        for images, count in ((data.train(), calibration), (data.test(), COMPARED))
    )
    names = map_names(backbone.info)
    model, parity = checked_model(backbone, names, unseen, {"key": trained.genotype.key}, ONNX)
    quantized, errors = int8_maps(model, seen, unseen)
    content = {ONNX: serialise(model), ONNX_INT8: serialise(quantized), WEIGHTS: stored(backbone.network)}
    known: dict[str, dict[str, Any]] = {
        ONNX: {"precision": "fp32", "against_torch": parity},
        ONNX_INT8: {"precision": "int8", "against_fp32": errors, "calibration_images": len(seen)},
        WEIGHTS: {},
    }
    return _put(out_folder, content, known, _facts(trained, backbone))


def _put(
    folder: Path, content: Mapping[str, bytes], known: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Writes the files and what is known of them into a folder that appears at once; returns its JSON."""
    clear_left_over(folder)
    strange = sorted({path.name for path in folder.iterdir()} - {*content, FACTS}) if folder.is_dir() else []
    if strange:
        raise UserError(f"{folder}: holds {strange[0]!r}, which is of no backbone; nothing was replaced")
    partial = partial_folder(folder)
    try:
        for name, data in content.items():
            write_bytes(partial / name, data)
        written = describe_files(partial, content)
        whole = {**facts, "files": {name: {**written[name], **known[name]} for name in content}}
        write_json(partial / FACTS, whole)
        put_in_place(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return whole


def _facts(trained: Trained, backbone: FeatureNetwork) -> dict[str, Any]:
    config, normal = trained.config, trained.facts["normalisation"]
    return {
        "schema": SCHEMA,
        "key": trained.genotype.key,
        "maps": map_facts(backbone.info),
        "params": count_parameters(backbone, auxiliary=False),
        "macs": count_macs(backbone, config),
        "preprocessing": {
            **{"input": "image", "layout": "NCHW", "type": "float32"},
            **{"channels": config.channels, "height": config.height, "width": config.width},
            **{"mean": normal["mean"], "std": normal["std"]},
            "formula": "(pixel / 255 - mean) / std",
            "resizing": trained.facts["data"].get("resizing"),
        },
        "genotype": trained.genotype.to_dict(),
        "network": config.to_dict(),
        "versions": versions(),
    }
