"""WebPs that tell wrong sizes are decoded if their pixels are there."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from shards.base.errors import MediaError
from shards.media.pictures.picture_bytes import mended
from shards.media.probe import probe
from tests.shards.media.pictures.drawing import PICTURE, pixels
from tests.shards.pictures import saved


def webps() -> dict[str, bytes]:
    image = Image.fromarray(PICTURE)
    found = {}
    for quality in range(60, 80):  # of both parities
        found[f"lossy {quality}"] = saved(image, "WEBP", quality=quality)
    found["lossless"] = saved(image, "WEBP", lossless=True)
    found["extended"] = saved(image, "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", icc_profile=b"x" * 101)
    found["alpha"] = saved(image.convert("RGBA"), "WEBP", exact=True)
    return found


@pytest.mark.parametrize("form", webps())
def test_a_webp_that_tells_a_wrong_size_is_decoded_if_its_pixels_are_there(form: str) -> None:
    whole = webps()[form]
    assert mended(whole) is whole
    expected = pixels(whole)
    for told in (0, 1, 20, len(whole) - 10, len(whole), len(whole) + 7, 2**31, 2**32 - 1):
        data = whole[:4] + struct.pack("<I", told) + whole[8:]
        assert np.array_equal(pixels(data), expected), told
        assert np.array_equal(pixels(data + b"<html>"), expected), told
    assert np.array_equal(pixels(whole + bytes(100)), expected)
    kind, size = struct.unpack_from("<4sI", whole, 12)
    if kind == b"VP8 " and 20 + size < len(whole):
        assert np.array_equal(pixels(whole[:-1]), expected), "only the byte that fills it up is missing"
    for cut in (3, 10, len(whole) // 2):
        if form != "extended" or cut > 10:
            with pytest.raises(MediaError):
                probe(whole[:-cut], "x.webp")
