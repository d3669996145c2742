"""Small data sets in the layouts of the real ones, written for tests."""

import gzip
from pathlib import Path

import numpy as np

from nastk.data.sources.cifar10 import NAMES
from tests.data.python2 import python2_pickle


def pictures(count: int, size: int, channels: int, seed: int = 0) -> np.ndarray:
    """Random uint8 images (count, size, size, channels)."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def labels(count: int, classes: int = 10) -> np.ndarray:
    """0, 1, ... classes - 1, 0, ... as uint8."""
    return (np.arange(count) % classes).astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    """The IDX form of a uint8 array."""
    header = bytes((0, 0, 8, array.ndim)) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return header + array.tobytes()


def write_fashion(folder: Path, packed: bool = False, train: int = 40, test: int = 20) -> Path:
    """Writes the four IDX files; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", train), ("t10k", test)):
        files = {"images-idx3": idx(pictures(count, 28, 1)[..., 0]), "labels-idx1": idx(labels(count))}
        for kind, data in files.items():
            name = f"{part}-{kind}-ubyte"
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)
    return folder


def write_cifar(folder: Path, count: int = 20) -> Path:
    """Writes the six binary batches of `count` images each into the folder's cifar-10-batches-bin."""
    inner = folder / "cifar-10-batches-bin"
    inner.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        planes = pictures(count, 32, 3, number).transpose(0, 3, 1, 2).reshape(count, -1)
        (inner / f"{name}.bin").write_bytes(np.concatenate([labels(count)[:, None], planes], 1).tobytes())
    return folder


def write_cifar_python(folder: Path, count: int = 20) -> Path:
    """Writes the images of `write_cifar` as cifar-10-batches-py, pickled as Python 2 did."""
    inner = folder / "cifar-10-batches-py"
    inner.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        planes = pictures(count, 32, 3, number).transpose(0, 3, 1, 2).reshape(count, -1)
        content = {"batch_label": "training batch", "labels": labels(count).tolist(), "data": planes}
        (inner / name).write_bytes(python2_pickle(content))
    names = list(NAMES)
    (inner / "batches.meta").write_bytes(python2_pickle({"num_vis": 3072, "label_names": names}))
    return folder


def write_cifar100(folder: Path, train: int = 200, test: int = 100, python: bool = False) -> Path:
    """Writes the binary or the python version; group g has the fine classes 5g to 5g + 4."""
    inner = folder / ("cifar-100-python" if python else "cifar-100-binary")
    inner.mkdir(parents=True)
    for seed, (part, count) in enumerate((("train", train), ("test", test))):
        fine = labels(count, 100)
        planes = pictures(count, 32, 3, seed).transpose(0, 3, 1, 2).reshape(count, -1)
        both = np.stack([fine // 5, fine], 1)
        if python:
            content = {"data": planes, "coarse_labels": both[:, 0].tolist(), "fine_labels": both[:, 1].tolist()}
            (inner / part).write_bytes(python2_pickle(content))
        else:
            (inner / f"{part}.bin").write_bytes(np.concatenate([both, planes], 1).tobytes())
    names = {"fine": [f"fine_{n}" for n in range(100)], "coarse": [f"coarse_{n}" for n in range(20)]}
    if python:
        (inner / "meta").write_bytes(python2_pickle({f"{kind}_label_names": names[kind] for kind in names}))
    for kind in () if python else names:
        (inner / f"{kind}_label_names.txt").write_text("\n".join(names[kind]) + "\n\n")
    return folder


def write_npz(path: Path, **changes: np.ndarray | None) -> Path:
    """Writes an .npz of RGB 12x12 images in three classes; `changes` replace arrays, None leaves one out."""
    arrays: dict[str, np.ndarray | None] = {
        "x_train": pictures(30, 12, 3),
        "y_train": labels(30, 3),
        "x_test": pictures(12, 12, 3, 1),
        "y_test": labels(12, 3),
    }
    arrays.update(changes)
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def write_hub_set(folder: Path) -> Path:
    """Saves 30 training and 12 test images of three classes, RGB 12x12, by Hugging Face's `datasets`."""
    import datasets
    from PIL import Image

    datasets.disable_progress_bars()
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["bird", "cat", "dog"])}
    )

    def part(count: int, seed: int) -> datasets.Dataset:
        images = [Image.fromarray(pixels) for pixels in pictures(count, 12, 3, seed)]
        return datasets.Dataset.from_dict({"image": images, "label": labels(count, 3).tolist()}, features=features)

    datasets.DatasetDict(train=part(30, 0), test=part(12, 1)).save_to_disk(str(folder))
    return folder


def write_image_folder(root: Path, parts: tuple[str, ...] = ("train", "test"), each: int = 10, size: int = 12) -> Path:
    """Writes `each` RGB PNGs of a colour of its own into each of three class folders of each part; "" for no part."""
    from PIL import Image

    for number, part in enumerate(parts):
        for label, name in enumerate(("bird", "cat", "dog")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for index in range(each):
                noise = pictures(1, size, 3, 1000 * number + 100 * label + index)[0] // 4
                noise[..., label] += 150
                Image.fromarray(noise).save(folder / f"{index:03d}.png")
    return root
