"""PNGs without their end or with texts are decoded."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shards.base.errors import MediaError
from shards.media.pictures.picture_bytes import mended
from shards.media.probe import probe
from tests.shards.media.pictures.drawing import PICTURE, pixels
from tests.shards.pictures import saved


def test_a_png_without_its_end_is_decoded_and_one_without_pixels_is_not() -> None:
    whole = saved(Image.fromarray(PICTURE), "PNG")
    expected = pixels(whole)
    for cut in (1, 4, 8, 12, 16):
        assert np.array_equal(pixels(whole[:-cut]), expected), cut
    for cut in range(1, len(whole) - 60, 37):
        try:
            found = pixels(whole[:-cut])
        except MediaError:
            continue
        assert np.array_equal(found, expected), cut
    with pytest.raises(MediaError, match="damaged"):
        probe(whole[: len(whole) // 2], "x.png")


def test_texts_leave_a_png_and_nothing_else_does(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Title", "a", zip=True)
    info.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    data = saved(Image.fromarray(PICTURE), "PNG", pnginfo=info, icc_profile=b"x" * 200, dpi=(72, 72))
    left = mended(data)
    assert b"zTXt" not in left and b"iCCP" not in left and b"XML:com.adobe.xmp" in left and b"pHYs" in left
    assert mended(left) is left
    with Image.open(io.BytesIO(left)) as image:
        image.verify()
