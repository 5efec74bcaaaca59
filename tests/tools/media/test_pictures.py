"""Pictures of planned frames, and pictures that are made small where that saves bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from shards.media.frames import FramePictures
from tests.tools.media.scenes import pixels, video
from tools.media.profiles import PROFILES, FramesProfile
from tools.media.transcode import transcode


@pytest.mark.parametrize(("picture", "ext"), [("jpeg", "jpg"), ("webp", "webp")])
def test_a_frames_profile_stores_pictures_of_the_planned_frames(picture: str, ext: str) -> None:
    data = video(40)
    made = transcode(data, "mp4", FramesProfile(num_frames=5, short_side=48, picture=picture, quality=95))
    assert (made.ext, made.facts.kind, made.facts.codec, made.facts.num_frames) == ("zip", "frames", picture, 5)
    assert made.frames == (4, 12, 20, 28, 36)
    stored = FramePictures(made.media)
    assert stored.times == pytest.approx([number / 25 for number in made.frames]) and stored.duration == 1.6
    assert made.facts.fps == pytest.approx(5 / 1.6)
    assert Image.open(io.BytesIO(stored.picture(0))).size == (64, 48) and not made.key_frames.frames
    error = pixels(made.media, "frames", [0, 2, 4], (48, 64)) - pixels(data, "video", [4, 20, 36], (48, 64))
    assert np.abs(error).mean() < 3


def test_a_short_video_gives_all_its_frames() -> None:
    made = transcode(video(3), "mp4", FramesProfile(num_frames=16))
    assert made.frames == (0, 1, 2) and made.facts.num_frames == 3


def test_a_picture_is_made_a_jpeg_only_where_that_saves() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8))
    large, small = io.BytesIO(), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    noise.save(large, "PNG", exif=exif)
    noise.resize((60, 40)).save(small, "JPEG", quality=60)
    made = transcode(large.getvalue(), "png", PROFILES["h264_256"])
    assert (made.ext, made.facts.codec, made.facts.width, made.facts.height) == ("jpg", "jpeg", 256, 384)
    assert made.frames == (0,) and Image.open(io.BytesIO(made.media)).getexif().get(0x0112) is None
    for profile in (PROFILES["h264_256"], PROFILES["frames_8"]):
        kept = transcode(small.getvalue(), "jpg", profile)
        assert (kept.media, kept.ext) == (small.getvalue(), "jpg")
