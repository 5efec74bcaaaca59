"""Pictures of every mode become upright RGB."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from shards.base.errors import MediaError
from shards.decode.cpu import decode
from shards.media.clip_plan import ClipPlan
from shards.media.probe import probe
from tests.shards.decode.plans import whole


def as_file(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def still(mode: str = "RGB") -> Image.Image:
    """40 wide, 20 high: left half (200, 40, 40), right half (40, 40, 200)."""
    image = Image.new("RGB", (40, 20), (200, 40, 40))
    image.paste((40, 40, 200), (20, 0, 40, 20))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("RGB", "PNG"),
        ("RGB", "JPEG"),
        ("RGB", "WEBP"),
        ("CMYK", "JPEG"),
        ("P", "PNG"),
        ("P", "GIF"),
        ("RGBA", "PNG"),
        ("YCbCr", "TIFF"),
    ],
)
def test_pictures_of_every_mode_become_rgb(mode: str, form: str) -> None:
    clip = decode(as_file(still(mode), form), "image", whole(0, 0, 0, size=(20, 40)))
    assert clip.shape == (3, 20, 40, 3) and clip.flags.c_contiguous and clip.dtype == np.uint8
    assert np.abs(clip[0, 5:15, 5:15].mean(axis=(0, 1)) - [200, 40, 40]).max() < 16
    assert np.abs(clip[2, 5:15, 25:35].mean(axis=(0, 1)) - [40, 40, 200]).max() < 16


@pytest.mark.parametrize(
    ("mode", "form"), [("L", "JPEG"), ("L", "PNG"), ("LA", "PNG"), ("1", "PNG"), ("I;16", "PNG"), ("I;16", "TIFF")]
)
def test_gray_pictures_become_gray_rgb(mode: str, form: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 40), 51_400, np.uint16))
    else:
        image = Image.new("L", (40, 20), 200 if mode != "1" else 255).convert(mode)
    clip = decode(as_file(image, form), "image", whole(0, size=(10, 10)))
    assert np.abs(clip.astype(int) - (255 if mode == "1" else 200)).max() <= 2


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_of_sixteen_bits_the_upper_eight_are_shown(colour_type: int, channels: int) -> None:
    row = b"\0" + struct.pack(">H", 51_400) * (8 * channels)  # 200 * 257; nearly opaque where there is an alpha
    head = struct.pack(">IIBBBBB", 8, 8, 16, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(8 * row)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks:
        data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    expected = 200 if channels in (1, 3) else round(255 - 55 * 200 / 255)  # on white
    clip = decode(data, "image", whole(0, size=(8, 8)))
    assert np.abs(clip.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(mode: str) -> None:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    if mode == "P":
        image = Image.new("P", (20, 20), 3)
        image.putpalette([10, 20, 30] * 4)
        data = as_file(image, transparency=3)
    else:
        data = as_file(image.convert(mode))
    assert (decode(data, "image", whole(0, size=(8, 8))) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = as_file(still(), "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert np.array_equal(decode(data, "image", whole(0, size=expected.shape[:2]))[0], expected)
    facts = probe(data, "x.png")
    assert (facts.height, facts.width) == expected.shape[:2]


def test_an_animated_picture_gives_its_first_frame() -> None:
    data = as_file(still(), "WEBP", save_all=True, append_images=[Image.new("RGB", (40, 20))], lossless=True)
    assert np.array_equal(decode(data, "image", whole(0, size=(20, 40)))[0], np.asarray(still()))


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8)).resize((3200, 2400), Image.Resampling.BICUBIC)
    data = as_file(smooth, "JPEG", quality=95)
    clip = decode(data, "image", whole(0, size=(96, 128)))[0]
    expected = np.asarray(smooth.resize((128, 96), Image.Resampling.BICUBIC))
    assert np.abs(clip.astype(int) - expected).mean() < 2


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(MediaError, match="9000x9000 pixels are too many"):
        decode(as_file(Image.new("1", (9000, 9000))), "image", whole(0))


def natural(width: int, height: int) -> bytes:
    """A JPEG of blurred noise with edges, of any size."""
    noise = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    image = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    image.paste((250, 250, 240), (width // 4, height // 4, width // 2, height // 2))
    return as_file(image, "JPEG", quality=90)


def test_a_jpeg_margin_of_one_keeps_the_picture_within_its_tolerance() -> None:
    plan = ClipPlan((0,), (224, 224), (0, 0, 224, 224))
    large, small = natural(1280, 720), natural(320, 256)
    exact, scaled = (decode(large, "image", replace(plan, jpeg_margin=m)).astype(float) for m in (2, 1))
    assert 0 < ((exact - scaled) ** 2).mean() < 255**2 / 10**4  # 40 dB, as docs/decoding.md says
    # there is nothing to scale where the picture is less than twice as large
    assert (decode(small, "image", plan) == decode(small, "image", replace(plan, jpeg_margin=1))).all()


@pytest.mark.parametrize("times", [1, 2])
def test_a_picture_may_be_written_into_once_it_is_decoded(times: int) -> None:
    clip = decode(as_file(still(), "JPEG"), "image", whole(*[0] * times, size=(20, 40)))
    assert clip.flags.writeable
