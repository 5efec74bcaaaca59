"""Picture files without their end: decoded where no pixel is missing, refused where one is."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from shards.base.errors import MediaError
from shards.media.probe import probe
from tests.shards.media.pictures.drawing import PICTURE, pixels
from tests.shards.pictures import saved


def test_a_gif_without_its_trailer_is_decoded() -> None:
    whole = saved(Image.fromarray(PICTURE).quantize(64), "GIF")
    for cut in (1, 2):
        assert np.array_equal(pixels(whole[:-cut]), pixels(whole))
    with pytest.raises(MediaError, match="truncated"):
        probe(whole[: len(whole) // 2], "x.jpg")
