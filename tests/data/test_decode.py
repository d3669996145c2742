"""Image files of every mode become squares of uint8; what is no image is named."""

import contextlib
import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nastk.data.decode import CorruptImage, Header, decode, read_header
from nastk.errors import UserError
from tests.deploy.pictures import WRITABLE, tiff, turned


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def flat(mode: str, colour: Any, size: tuple[int, int] = (20, 12)) -> Image.Image:
    return Image.new(mode, size, colour)


def only(pixels: np.ndarray) -> list[int]:
    """The one colour of an image."""
    assert pixels.dtype == np.uint8
    colours = np.unique(pixels.reshape(len(pixels), -1), axis=1)
    assert colours.shape[1] == 1
    return colours[:, 0].tolist()


@pytest.mark.parametrize(
    ("name", "image", "colour"),
    [
        ("grey.png", flat("L", 90), [90, 90, 90]),
        ("one_bit.png", flat("1", 1), [255, 255, 255]),
        ("rgb.png", flat("RGB", (10, 20, 30)), [10, 20, 30]),
        ("rgb.bmp", flat("RGB", (10, 20, 30)), [10, 20, 30]),
        ("palette.png", flat("RGB", (10, 20, 30)).quantize(4), [10, 20, 30]),
        ("clear.png", flat("RGBA", (10, 20, 30, 0)), [255, 255, 255]),
        ("half.png", flat("RGBA", (0, 100, 200, 51)), [204, 224, 244]),
        ("opaque.png", flat("RGBA", (10, 20, 30, 255)), [10, 20, 30]),
        ("grey_alpha.png", flat("LA", (100, 0)), [255, 255, 255]),
        ("sixteen.png", flat("I;16", 257 * 100), [100, 100, 100]),
        ("bright.png", flat("I;16", 65535), [255, 255, 255]),
        ("dark.png", flat("I;16", 300), [1, 1, 1]),
    ],
)
def test_every_mode_becomes_rgb_or_grey(tmp_path: Path, name: str, image: Image.Image, colour: list[int]) -> None:
    path = saved(tmp_path / name, image)
    assert only(decode(path, 3, 8)) == colour
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    assert abs(only(decode(path, 1, 8))[0] - luma) <= 1


def test_a_palette_with_a_transparent_colour_shows_white_there(tmp_path: Path) -> None:
    image = flat("P", 1)
    image.putpalette([0, 0, 0, 200, 10, 10])
    assert only(decode(saved(tmp_path / "a.png", image, transparency=1), 3, 8)) == [255, 255, 255]
    assert only(decode(saved(tmp_path / "b.png", image), 3, 8)) == [200, 10, 10]


def test_cmyk_and_webp_are_read(tmp_path: Path) -> None:
    red, green, blue = only(decode(saved(tmp_path / "a.jpg", flat("CMYK", (0, 255, 255, 0)), quality=95), 3, 8))
    assert red > 240 and green < 15 and blue < 15
    assert only(decode(saved(tmp_path / "a.webp", flat("RGB", (10, 200, 30)), lossless=True), 3, 8)) == [10, 200, 30]


def test_the_sixteen_bits_of_a_gradient_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    found = decode(saved(tmp_path / "a.png", Image.fromarray(values)), 1, 64)[0]
    assert np.abs(found - values / 257).max() <= 0.5 + 1e-6


def test_sixteen_bits_with_a_transparent_colour_show_white_there(tmp_path: Path) -> None:
    values = np.full((8, 8), 257 * 40, np.uint16)
    values[:, 4:] = 257 * 90
    path = saved(tmp_path / "a.png", Image.fromarray(values), transparency=257 * 40)
    for channels in (1, 3):
        found = decode(path, channels, 8)
        assert (found[:, :, :4] == 255).all() and (found[:, :, 4:] == 90).all()


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (np.array([[0, 4095], [2048, 1000]], "<u2"), {"bits": 12}),
        (np.array([[0, 65535], [32768, 16000]], "<u2"), {}),
        (65535 - np.array([[0, 65535], [32768, 16000]], "<u2"), {"photometric": 0}),
        (np.array([[0, 255], [128, 62]], "<u1"), {}),
        (255 - np.array([[0, 255], [128, 62]], "<u1"), {"photometric": 0}),
    ],
    ids=["12 bits", "16 bits", "16 bits, 0 is white", "8 bits", "8 bits, 0 is white"],
)
def test_grey_tiffs_are_scaled_by_their_own_range(tmp_path: Path, values: np.ndarray, options: dict[str, Any]) -> None:
    assert decode(tiff(tmp_path / "a.tif", values, **options), 1, 2)[0].tolist() == [[0, 255], [128, 62]]


@pytest.mark.parametrize(
    ("values", "sample_format", "reason"),
    [
        (np.array([[-1000, 200], [7, 3]], "<i2"), 2, "pixels of 16 bits, signed, expected whole numbers, unsigned"),
        (np.array([[-100, 100], [7, 3]], "<i1"), 2, "pixels of 8 bits, signed"),
        (np.array([[0, 255], [7, 3]], "<i4"), 2, "pixels of 32 bits, signed"),
        (np.array([[0, 2**31], [7, 3]], "<u4"), 1, "pixels of 32 bits, unsigned, .* of at most 16 bits"),
        (np.array([[0, 1], [0.5, 1]], "<f4"), 3, "pixels of type float, expected whole numbers"),
    ],
)
def test_numbers_without_an_agreed_black_and_white_are_refused(
    tmp_path: Path, values: np.ndarray, sample_format: int, reason: str
) -> None:
    path = tiff(tmp_path / "a.tif", values, sample_format)
    assert read_header(path).side == 2
    for channels in (1, 3):
        with pytest.raises(CorruptImage, match=reason):
            decode(path, channels, 2)


@pytest.mark.parametrize("suffix", ["jpg", "mpo", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_cameras_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    """The corner that is shown at the top left, by the EXIF standard's table (JEITA CP-3451, tag 274)."""
    shown_top_left = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (-1, 0), 7: (-1, -1), 8: (0, -1)}
    stored = np.full((32, 32), 30, np.uint8)
    row, column = shown_top_left[orientation]
    stored[slice(0, 16) if row == 0 else slice(16, 32), slice(0, 16) if column == 0 else slice(16, 32)] = 220
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode(saved(tmp_path / f"a.{suffix}", Image.fromarray(stored), exif=exif, quality=95), 1, 32)[0]
    assert found[:12, :12].min() > 200
    assert found[20:].max() < 60 and found[:, 20:].max() < 60


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(91, 60), (60, 91)])
def test_one_photograph_gives_the_same_pixels_in_every_format(
    tmp_path: Path, orientation: int, size: tuple[int, int]
) -> None:
    """Also where an odd number of pixels is cut off, and where a filter rounds on the way."""
    for mode in ("RGB", "L", "I;16", "RGBA", "1"):
        files = {
            suffix: turned(tmp_path, suffix, mode, orientation, size)
            for suffix in WRITABLE
            if suffix != ".bmp" and mode in WRITABLE[suffix]
        }
        for pixels in (8, 31, 90):
            found = {suffix: decode(path, 3, pixels) for suffix, path in files.items()}
            for suffix in {".tif", ".webp"} & set(found):
                np.testing.assert_array_equal(found[suffix], found[".png"], f"{mode} {suffix}")
            if ".jpg" in found:
                np.testing.assert_array_equal(found[".mpo"], found[".jpg"])
                assert np.abs(found[".jpg"].astype(int) - found[".png"]).mean() < 6
    sides = {read_header(path).side for path in files.values()}
    assert sides == {60}


def test_compressed_and_large_tiffs_are_turned_once_too(tmp_path: Path) -> None:
    stored = Image.open(turned(tmp_path, ".png", "RGB", 6))
    expected = decode(tmp_path / "RGB_6.png", 3, 40)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        path = saved(tmp_path / f"{compression}.tif", stored, exif=stored.getexif(), compression=compression)
        np.testing.assert_array_equal(decode(path, 3, 40), expected)


def test_a_turned_photograph_is_turned_whole(tmp_path: Path) -> None:
    stored = np.zeros((20, 40), np.uint8)
    stored[:, 10:20] = 250
    exif = Image.Exif()
    exif[0x0112] = 6
    found = decode(saved(tmp_path / "a.png", Image.fromarray(stored), exif=exif), 1, 20)[0]
    assert (found[:10] == 250).all() and (found[10:] == 0).all()


def test_any_shape_gives_the_central_square(tmp_path: Path) -> None:
    image = np.zeros((20, 60, 3), np.uint8)
    image[:, 20:40] = 200
    assert only(decode(saved(tmp_path / "wide.png", Image.fromarray(image)), 3, 10)) == [200] * 3
    tall = np.ascontiguousarray(image.transpose(1, 0, 2))
    assert only(decode(saved(tmp_path / "tall.png", Image.fromarray(tall)), 3, 10)) == [200] * 3
    assert decode(saved(tmp_path / "dot.png", flat("L", 7, (1, 1))), 1, 16).shape == (1, 16, 16)


def test_a_large_jpeg_decoded_small_on_the_way_is_nearly_the_same(tmp_path: Path) -> None:
    smooth = np.add.outer(np.linspace(0, 120, 640), np.linspace(0, 120, 640)).astype(np.uint8)
    path = saved(tmp_path / "a.jpg", Image.fromarray(smooth), quality=95)
    whole = np.asarray(Image.open(path).resize((40, 40), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(decode(path, 1, 40)[0] - whole).max() <= 2


def test_a_header_tells_side_and_grey_without_decoding(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", flat("I;16", 7, (30, 20)))
    assert read_header(path) == Header(20, True)
    path.write_bytes(path.read_bytes()[:-20])
    assert read_header(path) == Header(20, True)
    assert read_header(saved(tmp_path / "b.jpg", flat("RGB", "red", (10, 20)))) == Header(10, False)


def png(width: int, height: int) -> bytes:
    """A PNG that says it has this size, with next to nothing in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(100))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg() -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)).save(data, "JPEG")
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no image of JPEG, PNG, WEBP, BMP or TIFF"),
        (b"not an image", "no image of JPEG"),
        (b"GIF89a" + bytes(30), "no image of JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image of JPEG"),
        (jpeg()[: len(jpeg()) // 2], "truncated"),
        (jpeg()[:30], "Truncated File Read"),
        (png(20, 20), "truncated|broken"),
        (png(20_000, 20_000), "more than 89,478,485 pixels, refused as a decompression bomb"),
        (png(10_000, 10_000), "more than 89,478,485 pixels, refused as a decompression bomb"),
        (png(0, 5), "."),
    ],
)
def test_what_is_no_whole_image_is_corrupt_with_a_short_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with warnings.catch_warnings(), pytest.raises(CorruptImage, match=reason) as caught:
        warnings.simplefilter("error")
        decode(path, 3, 16)
    assert "\n" not in caught.value.reason and 0 < len(caught.value.reason) <= 120


def test_every_cut_and_many_damages_of_a_file_give_an_image_or_corrupt(tmp_path: Path) -> None:
    path, rng = tmp_path / "a.png", np.random.default_rng(0)
    data = io.BytesIO()
    Image.new("P", (9, 9), 3).save(data, "PNG", transparency=0)
    for whole in (data.getvalue(), jpeg()):
        for trial in range(150):
            damaged = bytearray(whole)
            for place in rng.integers(0, len(whole), 3):
                damaged[place] = rng.integers(0, 256)
            path.write_bytes(bytes(damaged[: rng.integers(1, len(whole))] if trial % 2 else damaged))
            with contextlib.suppress(CorruptImage):
                assert decode(path, 3, 8).shape == (3, 8, 8)


def test_a_file_that_cannot_be_opened_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.jpg: cannot be read \(No such file"):
        decode(tmp_path / "none.jpg", 3, 8)
