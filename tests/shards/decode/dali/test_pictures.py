"""Pictures that DALI would show otherwise than Pillow are turned away."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from shards.decode.dali.pictures import check_picture
from shards.decode.decoder import Unsuitable


def _jpeg(mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (32, 24), 100).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def test_pictures_that_are_shown_otherwise_are_turned_away() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    check_picture(_jpeg())
    check_picture(_jpeg("L"))
    for data, reason in (
        (_jpeg("CMYK"), "pixel format: CMYK"),
        (_jpeg(exif=exif), "rotation"),
        (_jpeg()[:-40], "damaged: not a picture, or damaged"),
        (_jpeg()[:-2], "damaged: its end or its texts have to be mended"),
        (b"<html>", "damaged: not a picture"),
    ):
        with pytest.raises(Unsuitable, match=reason):
            check_picture(data)
