"""Facts of pictures, decoded to be sure."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageDraw

from shards.media.facts import MediaFacts
from shards.media.probe import probe, probe_key_frames
from tests.shards.pictures import picture


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_facts_of_a_picture(form: str) -> None:
    assert probe(picture(form), "x.jpg") == MediaFacts("image", form.lower(), 30, 20, 1)


def test_an_animated_gif_is_a_video_and_a_still_one_a_picture() -> None:
    frames = []
    for i in range(5):
        frame = Image.new("RGB", (30, 20))
        ImageDraw.Draw(frame).rectangle((i, i, i + 5, i + 5), fill="red")
        frames.append(frame)
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=100)
    facts = probe(buffer.getvalue(), "x.gif")
    assert (facts.kind, facts.codec, facts.num_frames) == ("video", "gif", 5)
    assert probe(picture("GIF"), "x.gif").kind == "image"


def test_a_picture_has_no_key_frames() -> None:
    assert probe_key_frames(picture(), "x.png") == (probe(picture(), "x.png"), [])
