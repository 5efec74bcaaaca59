"""What is kept of a medium."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from shards.base.errors import DatasetError, MediaError
from shards.media.facts import MediaFacts
from shards.media.probe import probe
from tests.tools.duplicates.conftest import clip, video
from tools.duplicates.hashing import FRAME_HASHES
from tools.duplicates.look import FRAMES, HASHED, THUMB, Thumbs, look_at, shown_plan


def test_frames_lie_at_eighths_of_the_duration() -> None:
    facts = MediaFacts("video", "h264", 320, 240, 800, 25.0, 32.0)
    assert shown_plan(facts, 64).frames == tuple(range(100, 800, 100))
    slowed = MediaFacts("video", "h264", 320, 240, 800, 22.5, 35.2)
    assert shown_plan(slowed, 64).frames == tuple(range(100, 800, 100))


@pytest.mark.parametrize("duration", [0.0, 0.001, 5.0])
def test_a_video_of_few_frames_has_as_many_pictures(duration: float) -> None:
    facts = MediaFacts("video", "h264", 320, 240, 3, 25.0, duration)
    assert len(shown_plan(facts, 64).frames) == FRAMES


def test_a_look_survives_being_packed() -> None:
    data = video(clip(1))
    look = look_at(data, probe(data, "x.mp4"))
    assert look.hashes.shape == (len(HASHED), FRAME_HASHES, 4)
    assert look.thumbs.gray.shape == (FRAMES, THUMB, THUMB)
    hashes, thumbs = look.packed()
    assert (np.frombuffer(hashes, "<u8").reshape(look.hashes.shape) == look.hashes).all()
    again = Thumbs.unpacked(thumbs)
    assert (again.gray == look.thumbs.gray).all()
    assert (again.colour == look.thumbs.colour).all()


def test_a_picture_has_one_frame_and_its_colours() -> None:
    out = io.BytesIO()
    Image.new("RGB", (60, 40), (255, 0, 0)).save(out, "PNG")
    look = look_at(out.getvalue(), probe(out.getvalue(), "x.png"))
    assert len(look.thumbs.gray) == 1
    assert not len(look.hashes)  # it is flat
    assert np.abs(look.thumbs.colour[0, :, 4, 4].astype(int) - (85, 255)).max() <= 1


def test_what_cannot_be_decoded_says_so() -> None:
    with pytest.raises(MediaError, match="not a video"):
        look_at(b"nothing", MediaFacts("video", "h264", 320, 240, 30, 25.0, 1.2))
    with pytest.raises(DatasetError, match="--media"):
        look_at(b"nothing", MediaFacts("video", "", 0, 0, 0))
