"""Classifies images with the network beside this file: python predict.py IMAGE_OR_FOLDER...

Needs onnxruntime 1.17, numpy 1.24 and Pillow 9.4, or later ones; where the files were made for OpenVINO, openvino
2025.4 in place of onnxruntime.
"""

import hashlib
import io
import json
import os
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

Run = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
HERE = Path(__file__).resolve().parent
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
SUFFIXES = (".jpg", ".jpeg", ".mpo", ".png", ".webp", ".bmp", ".tif", ".tiff")
HOW = Image.Transpose
TURNS = {2: HOW.FLIP_LEFT_RIGHT, 3: HOW.ROTATE_180, 4: HOW.FLIP_TOP_BOTTOM}
TURNS |= {5: HOW.TRANSPOSE, 6: HOW.ROTATE_270, 7: HOW.TRANSVERSE, 8: HOW.ROTATE_90}


def decode(path: str, channels: int, size: int) -> npt.NDArray[np.uint8]:
    """Returns uint8 (channels, size, size), the central square of the image as the network was trained on it."""
    # An open file: of a path Pillow maps the memory, and 11 to 13 then take a turned TIFF's height for its width.
    with Path(path).open("rb") as file, Image.open(file, formats=FORMATS) as image:
        image.draft(image.mode, (2 * size, 2 * size))
        tags = getattr(image, "tag_v2", {})  # a TIFF's
        bits, kind = max(tags.get(258) or (1,)), max(tags.get(339) or (1,))
        if image.mode == "F" or kind != 1 or bits > 16:
            raise ValueError("pixels that are floats, signed or of more than 16 bits")
        image.load()
        # Pillow turns TIFFs by itself, and nothing else.
        turn = None if image.format == "TIFF" else TURNS.get(image.getexif().get(0x0112, 1))
        square = image if turn is None else image.transpose(turn)
        side = min(square.size)
        left, top = (square.width - side) // 2, (square.height - side) // 2
        square = square.crop((left, top, left + side, top + side))
    if square.mode.startswith("I"):  # grey of 12 or 16 bits
        values, white = np.asarray(square).astype(np.float32), 2**bits - 1 if tags else 65535
        grey = np.clip((white - values if tags.get(262) == 0 else values) / (white / 255) + 0.5, 0, 255)
        grey[values == square.info.get("transparency", -1)] = 255
        square = Image.fromarray(grey.astype(np.uint8))
    elif square.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in square.info:
        square = (square.convert("LA") if square.mode == "La" else square).convert("RGBA")
        square = Image.alpha_composite(Image.new("RGBA", square.size, "white"), square)
    square = square.convert("L" if channels == 1 else "RGB").resize((size, size), Image.Resampling.BILINEAR)
    return np.atleast_3d(np.asarray(square, np.uint8)).transpose(2, 0, 1)


def image_files(word: str) -> list[str]:
    """Returns the file, or the images in a folder and its folders by their suffix, hidden ones left out."""
    if not Path(word).is_dir():
        return [word]
    found = []
    for folder, inner, names in os.walk(word):
        inner[:] = [name for name in inner if not name.startswith(".")]
        wanted = (name for name in names if name.lower().endswith(SUFFIXES) and not name.startswith("."))
        found += [path for path in (Path(folder, name) for name in wanted) if path.is_file()]
    return list(map(str, sorted(found))) or sys.exit(f"{word}: no image in it ({', '.join(SUFFIXES)})")


def say(line: str, stream: TextIO) -> None:
    """Prints a line; names may hold what a terminal would act upon, or what it has no letter for."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    print("".join(sign if sign.isprintable() else "?" for sign in line), file=stream)


def cannot_run(name: str, runtime: str, error: Exception) -> None:
    """Exits with a line; a runtime's exceptions share no base class."""
    if isinstance(error, ModuleNotFoundError):
        sys.exit(f"{name}: needs {runtime}; pip install {runtime}")
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    lines.sort(key=lambda line: line.startswith(("Exception from", "Check ")))  # files of OpenVINO's source last
    sys.exit(f"{name}: {runtime} {version(runtime)} cannot run it: {lines[0]}")


def with_onnxruntime(model: bytes, name: str) -> Run:
    """Returns what gives the logits of an image (1, channels, height, width), the input of that name."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)  # its errors come as exceptions
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {name: image})[0][0]


def with_openvino(model: bytes, name: str, settings: dict[str, Any], shape: list[int]) -> Run:
    """Returns the same of OpenVINO, with the settings that the file was scored and timed with."""
    import openvino

    core = openvino.Core()
    network = core.read_model(model)
    network.reshape({name: shape})
    compiled = core.compile_model(network, "CPU", settings)
    return lambda image: compiled({name: image})[0][0]


def main() -> None:
    """Prints the likeliest class of each image and its probability; exits with 1 where an image was left out."""
    words = sys.argv[1:] or sys.exit("expected: python predict.py IMAGE_OR_FOLDER...")
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    manifest = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
    name = next(name for name in [manifest["recommended"], *manifest["files"]] if name.endswith(".onnx"))
    model, how, classes = (HERE / name).read_bytes(), manifest["preprocessing"], manifest["classes"]
    if hashlib.sha256(model).hexdigest() != manifest["files"][name]["sha256"]:
        sys.exit(f"{name}: its SHA-256 is not the manifest's; the file was changed after it was exported")
    target = manifest.get("targets", {}).get(manifest.get("target"), {})
    openvino = target.get("openvino", {}).get("files", {}).get(name)
    runtime = "openvino" if openvino else "onnxruntime"
    try:
        if openvino:
            shape = [1, how["channels"], how["height"], how["width"]]
            run = with_openvino(model, how["input"], openvino["settings"], shape)
        else:
            run = with_onnxruntime(model, how["input"])
    except Exception as error:
        cannot_run(name, runtime, error)
    mean, std = (np.array(how[key], np.float32).reshape(-1, 1, 1) for key in ("mean", "std"))
    failed = False
    for path in (path for word in words for path in image_files(word)):
        try:
            pixels = decode(path, how["channels"], how["height"])
        except Exception as error:  # what a damaged file can make a decoder raise has no list
            reason = f"no image of {', '.join(FORMATS)}" if isinstance(error, UnidentifiedImageError) else error
            say(f"{path}: {reason}; left out", sys.stderr)
            failed = True
            continue
        try:
            logits = run(np.asarray((pixels[None] / np.float32(255) - mean) / std, np.float32))
        except Exception as error:
            cannot_run(name, runtime, error)
        if not np.isfinite(logits).all():
            sys.exit(f"{name}: what it computes is not finite; its weights are damaged, export the network anew")
        powers = np.exp(logits - logits.max())
        say(f"{path}  {classes[logits.argmax()]} {powers.max() / powers.sum():.4f}", sys.stdout)
    sys.exit(failed)


if __name__ == "__main__":
    main()
