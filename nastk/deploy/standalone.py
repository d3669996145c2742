"""Classifies images with the network beside this file: python predict.py IMAGE... Needs onnxruntime, numpy, Pillow."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent


def decode(path: str, channels: int, size: int) -> npt.NDArray[np.uint8]:
    """Returns uint8 (channels, size, size), the central square of the image as the network was trained on it."""
    with Image.open(path) as image:
        image.draft(image.mode, (2 * size, 2 * size))
        orientation, side = image.getexif().get(0x0112, 1), min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square: Image.Image = image.crop((left, top, left + side, top + side))
        if square.mode.startswith("I"):  # 16 bits
            square = Image.fromarray(np.clip(np.asarray(square, np.float32) / 257 + 0.5, 0, 255).astype(np.uint8))
        elif square.has_transparency_data:
            square = square.convert("RGBA")
            square = Image.alpha_composite(Image.new("RGBA", square.size, "white"), square)
        square = square.convert("L" if channels == 1 else "RGB").resize((size, size), Image.Resampling.BILINEAR)
    square.getexif()[0x0112] = orientation
    return np.atleast_3d(np.asarray(ImageOps.exif_transpose(square), np.uint8)).transpose(2, 0, 1)


def main() -> None:
    """Prints the likeliest class of each image and its probability; exits with 1 where an image was left out."""
    manifest = json.loads((HERE / "manifest.json").read_text())
    name = next(name for name in [manifest["recommended"], *manifest["files"]] if name.endswith(".onnx"))
    model, how = (HERE / name).read_bytes(), manifest["preprocessing"]
    if hashlib.sha256(model).hexdigest() != manifest["files"][name]["sha256"]:
        sys.exit(f"{name}: its SHA-256 is not the manifest's; the file was changed after it was exported")
    try:
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class
        sys.exit(f"{name}: onnxruntime {onnxruntime.__version__} cannot run it: {str(error).splitlines()[0]}")
    mean, std = (np.array(how[key], np.float32).reshape(-1, 1, 1) for key in ("mean", "std"))
    failed = False
    for path in sys.argv[1:] or sys.exit("expected: python predict.py IMAGE..."):
        try:
            pixels = decode(path, how["channels"], how["height"])
        except Exception as error:  # what a damaged file can make a decoder raise has no list
            print(f"{path}: {error}; left out", file=sys.stderr)
            failed = True
            continue
        logits = session.run(None, {how["input"]: (pixels[None] / np.float32(255) - mean) / std})[0][0]
        powers = np.exp(logits - logits.max())
        print(f"{path}  {manifest['classes'][logits.argmax()]} {powers.max() / powers.sum():.4f}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
