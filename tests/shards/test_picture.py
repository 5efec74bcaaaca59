"""Pictures: opened in one way, turned as they say, right in every form, or refused with the reason."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from shards.media import MediaError, probe


def picture(form: str = "PNG", size: tuple[int, int] = (30, 20), mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, form, **options)
    return buffer.getvalue()


def test_a_picture_turned_by_exif_has_the_turned_size() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    facts = probe(picture("JPEG", exif=exif), "x.jpg")
    assert (facts.width, facts.height) == (20, 30)


def test_a_vector_picture_that_could_run_a_program_is_refused() -> None:
    with pytest.raises(MediaError, match="cannot identify it"):
        probe(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", "x.jpg")
