"""Makes a small segmentation set and a small detection set of real items on real backgrounds, for nastk.backbone.

    python scripts/dense_sets.py --out sets [--size 64] [--images 2000] [--seed 0] [--items trouser,bag,...]

Items of Fashion-MNIST (where its files are, else scikit-learn's handwritten digits) are pasted at a random place,
scale, tint and brightness, some over others, on backgrounds cut from photographs (where these are, else CIFAR-10, else
generated texture). Writes sets/segmentation.npz and sets/detection.npz: the same images, once with masks, once with
boxes around what is seen of an item. The parts train, val and test share neither item nor photograph; the same
arguments give the same files byte for byte. Says in one line what it took.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dense_scenes import Pixels, Scene, paste
from PIL import Image

from nastk.checks import MOST, check_whole
from nastk.data.images import ImageSet
from nastk.data.sources import load_data
from nastk.dense.task import SPLITS
from nastk.errors import UserError, unknown
from nastk.files import cannot_write, write_bytes
from nastk.outside.npz import RefusedNpz, opened_npz
from nastk.seeds import derive_seed

USUAL = {"fashion_mnist": ("Trouser", "Dress", "Sneaker", "Bag"), "digits": ("0", "1", "4", "7")}
PHOTOS = "photos/sign_digits_100px.npz"
VAL_SHARE = 0.2  # of the training items and photographs, held out before anything is drawn

Parts = dict[str, Any]


def main() -> None:
    """Makes both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder for segmentation.npz and detection.npz")
    parser.add_argument("--size", type=int, default=64, help="pixels a side, 32 to 512")
    parser.add_argument("--images", type=int, default=2000, help="of train; val and test have a quarter each")
    parser.add_argument("--seed", type=int, default=0, help="what is drawn follows from it")
    parser.add_argument("--items", help="classes by name with commas between, default: four that differ")
    parser.add_argument(
        "--data", default=os.environ.get("NASTK_DATA"), help="folder with fashion-mnist, photos, cifar10"
    )
    args = parser.parse_args()
    try:
        print(make(Path(args.out), args.size, args.images, args.seed, args.items, args.data))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def make(out: Path, size: int, images: int, seed: int, items: str | None, data: str | None) -> str:
    """Writes both files and returns what was made of what; raises UserError."""
    check_whole("--size", size, 32, 512)
    check_whole("--images", images, 1, 100_000)
    check_whole("--seed", seed, 0, MOST)
    if data and not Path(data).is_dir():
        raise UserError(f"--data={data}: no such folder")
    root = Path(data) if data else None
    kind, classes, pasted = read_items(root, items)
    behind, backgrounds = read_backgrounds(root, size, seed)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from None
    segmentation: Parts = {"classes": np.array(["background", *classes])}
    detection: Parts = {"classes": np.array(classes)}
    for split in SPLITS:
        generator = np.random.default_rng(derive_seed("dense set", seed, split))
        count = images if split == "train" else max(1, images // 4)
        scenes = [paste(pasted[split], backgrounds[split], size, generator) for _ in range(count)]
        segmentation |= {f"{split}_images": stacked(scenes), f"{split}_masks": np.stack([one.mask for one in scenes])}
        detection |= {f"{split}_images": stacked(scenes)} | boxes_of(split, scenes)
    for name, arrays in (("segmentation", segmentation), ("detection", detection)):
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **arrays)
        write_bytes(out / f"{name}.npz", file.getvalue())
    counts = ", ".join(f"{split} {len(segmentation[f'{split}_images'])}" for split in SPLITS)
    return (
        f"{out}/segmentation.npz, {out}/detection.npz: {counts} images of {size}x{size} pixels; items of {kind} "
        f"({', '.join(classes)}) on {behind}"
    )


def read_items(root: Path | None, wanted: str | None) -> tuple[str, list[str], dict[str, list[list[Pixels]]]]:
    """Returns the name of the source, the classes, and for each split the items of each class, grey and square."""
    fashion = root / "fashion-mnist" if root is not None else None
    found = fashion is not None and fashion.is_dir()
    kind = "fashion_mnist" if found else "digits"
    source = load_data(kind, str(fashion)) if found else load_data(kind)
    named = {name.lower(): name for name in source.classes}
    chosen = [one.strip() for one in wanted.split(",")] if wanted else list(USUAL[kind])
    for one in chosen:
        if one.lower() not in named:
            raise unknown(f"item of {kind}", one, source.classes)
    classes = list(dict.fromkeys(named[one.lower()] for one in chosen))
    pasted: dict[str, list[list[Pixels]]] = {split: [] for split in SPLITS}
    training, test = source.train(), source.test()
    for name in classes:
        label = source.classes.index(name)
        train, val = held_out(items_of(training, label))
        for split, items in zip(SPLITS, (train, val, items_of(test, label)), strict=True):
            pasted[split].append(items)
    return kind, classes, pasted


def items_of(images: ImageSet, label: int) -> list[Pixels]:
    """Returns up to 1,000 items of a class, uint8 (side, side)."""
    places = torch.nonzero(images.y == label).flatten()[:1000]
    return list(images.pixels(places)[:, 0].numpy())


def held_out(sources: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Returns what train draws from and what val draws from."""
    kept = round(len(sources) * (1 - VAL_SHARE))
    return list(sources[:kept]), list(sources[kept:])


def read_backgrounds(root: Path | None, size: int, seed: int) -> tuple[str, dict[str, list[Pixels]]]:
    """Returns what the backgrounds are, and for each split some, uint8 (side, side, 3) each, to cut from."""
    if root is not None and (root / PHOTOS).is_file():
        train, test = read_photos(root / PHOTOS)
        return "photographs of hands", dict(zip(SPLITS, (*held_out(train), test), strict=True))
    if root is not None and any((root / "cifar10" / name).is_dir() for name in ("", "cifar-10-batches-bin")):
        try:
            source = load_data("cifar10", str(root / "cifar10"))
            train, test = (list(images_of(part)) for part in (source.train(), source.test()))
            return "photographs of CIFAR-10, enlarged", dict(zip(SPLITS, (*held_out(train), test), strict=True))
        except UserError as error:
            print(f"no photographs of CIFAR-10: {error}", file=sys.stderr)
    generators = {split: np.random.default_rng(derive_seed("texture", seed, split)) for split in SPLITS}
    return "generated texture (no photographs found)", {
        split: [texture(2 * size, generator) for _ in range(50)] for split, generator in generators.items()
    }


def images_of(part: ImageSet) -> Pixels:
    """Returns the first thousand images, uint8 (n, side, side, 3)."""
    return part.pixels(torch.arange(min(1000, len(part)))).permute(0, 2, 3, 1).numpy()


def read_photos(path: Path) -> tuple[list[Pixels], list[Pixels]]:
    """Returns training and test photographs; raises UserError."""
    try:
        with opened_npz(path) as file:
            arrays = file.arrays(["jpeg", "offsets", "split"])
    except (RefusedNpz, KeyError) as error:
        raise UserError(f"{path}: no photographs in it ({error})") from None
    files = [arrays["jpeg"][start:end].tobytes() for start, end in pairwise(arrays["offsets"])]
    photos = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in files]
    parts = [[photo for photo, side in zip(photos, arrays["split"], strict=True) if side == test] for test in (0, 1)]
    return parts[0], parts[1]


def texture(side: int, generator: np.random.Generator) -> Pixels:
    """Returns smooth noise of several scales in colour, uint8 (side, side, 3)."""
    total = np.zeros((side, side, 3))
    for cells in (2, 4, 8, 16, 32):
        noise = generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        total += np.asarray(Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC), float) / cells
    low, high = total.min(), total.max()
    return ((total - low) / (high - low) * 255).astype(np.uint8)


def stacked(scenes: list[Scene]) -> Pixels:
    """Returns the images of scenes, uint8 (n, size, size, 3)."""
    return np.stack([scene.image for scene in scenes])


def boxes_of(split: str, scenes: list[Scene]) -> Parts:
    """Returns the arrays of a split of a detection set, images apart."""
    return {
        f"{split}_boxes": np.array([box for scene in scenes for box in scene.boxes], np.float32),
        f"{split}_labels": np.array([label for scene in scenes for label in scene.labels], np.int64),
        f"{split}_image": np.array([place for place, scene in enumerate(scenes) for _ in scene.labels], np.int64),
    }


if __name__ == "__main__":
    main()
