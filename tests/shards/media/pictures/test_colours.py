"""Numbers of pixels of any depth become 8 bit RGB, or are refused."""

from __future__ import annotations

import struct

import av
import numpy as np
import pytest
from PIL import Image

from shards.base.errors import MediaError
from shards.media.probe import probe
from tests.shards.pictures import (
    encoded,
    png_chunk,
    saved,
    scene,
    shown,
    tiff,
    with_chunks,
)


def test_of_more_than_8_bits_the_upper_8_are_shown_in_every_spelling() -> None:
    gray = np.asarray(Image.fromarray(scene()).convert("L"))
    wide = gray.astype(np.uint16) * 257
    expected = np.repeat(gray[..., None], 3, axis=2)
    for data in (
        tiff(wide, {}),
        tiff(wide, {}, ">"),
        tiff(65535 - wide, {262: (0,)}),
        saved(Image.fromarray(wide), "TIFF", compression="tiff_lzw"),
        saved(Image.fromarray(wide), "PNG"),
        tiff(255 - gray, {262: (0,)}),
        tiff(np.repeat(wide[..., None], 3, axis=2), {}, ">"),
    ):
        assert np.abs(shown(data, 24, 40) - expected).max() <= 1


def test_twelve_bits_fill_the_range() -> None:
    values = np.linspace(0, 4095, 24 * 40).astype(np.uint16).reshape(24, 40)
    pairs = values.reshape(24, 20, 2)
    packed = np.stack([pairs[..., 0] >> 4, (pairs[..., 0] & 15) << 4 | pairs[..., 1] >> 8, pairs[..., 1] & 255], 2)
    data = tiff(packed.astype(np.uint8).reshape(24, 60), {256: (40,), 258: (12,), 277: (1,)})
    assert np.abs(shown(data, 24, 40)[..., 0] - (values >> 4)).max() <= 1


@pytest.mark.parametrize("transparent", [(300, 5000, 9000), (40_000, 5000, 9000), (1, 19, 35)])
def test_a_transparent_colour_of_16_bits_is_white(transparent: tuple[int, int, int]) -> None:
    values = np.full((24, 40, 3), (300, 5000, 9000), np.uint16)
    values[12:, :, 0] = 40_000
    for picture, pixels, key in ((values, "rgb48be", transparent), (values[..., 0], "gray16be", transparent[:1])):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), pixels)
        data = with_chunks(encoded("png", pixels, frame), png_chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)))
        found = shown(data, 24, 40)
        for rows, value in ((slice(0, 10), 300), (slice(14, 24), 40_000)):
            expected = 255 if key[0] == value else value >> 8
            assert (found[rows, :, 0] == expected).all()


@pytest.mark.parametrize(
    ("picture", "tags", "reason"),
    [
        (
            np.ones((4, 4), np.float32),
            {339: (3,)},
            "floating point numbers, which do not say what is white",
        ),
        (np.ones((4, 4), np.int32), {339: (2,)}, "signed or 32 bit integers"),
        (np.ones((4, 4), np.uint32), {}, "signed or 32 bit integers"),
        (np.ones((4, 4), np.int16), {339: (2,)}, "signed or 32 bit integers"),
        (np.ones((4, 4), np.int8), {339: (2,)}, "signed or 32 bit integers"),
        (np.ones((4, 4), np.float64), {339: (3,)}, "of a kind not read here"),
    ],
)
def test_numbers_that_do_not_say_what_is_white_are_refused(picture: np.ndarray, tags: dict, reason: str) -> None:
    data = tiff(picture, tags)
    for look in (lambda: probe(data, "x.tif"), lambda: shown(data, 4, 4)):
        with pytest.raises(MediaError, match=reason):
            look()
