"""Pictures read here are known by their first bytes."""

from __future__ import annotations

import warnings

import pytest
from PIL import Image

from shards.base.errors import MediaError
from shards.media.pictures.forms import known_picture, picture_extension
from shards.media.pictures.signatures import foreign_kind
from shards.media.probe import probe
from tests.shards.pictures import saved, scene


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_pictures_read_here_are_known_and_never_called_foreign(form: str) -> None:
    data = saved(Image.fromarray(scene()), form)
    assert known_picture(data).upper() == form and foreign_kind(data) is None
    assert probe(data, f"x.{picture_extension(data)}").codec == form.lower()
    with warnings.catch_warnings(), pytest.raises(MediaError, match="not a picture, or damaged: "):
        warnings.simplefilter("ignore")
        probe(data[: 18 if form != "TIFF" else 8], "x.jpg")
