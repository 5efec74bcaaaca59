"""Media become what the profile says: small, with short GOPs, or stay as they are; damage is a MediaError."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import MediaError
from shards.media.probe import probe
from tests.tools.media.scenes import SMALL, decoded, pixels, video
from tools.media.codecs import CODECS
from tools.media.profiles import FramesProfile, VideoProfile
from tools.media.transcode import transcode


@pytest.mark.parametrize("codec", list(CODECS))
def test_a_video_becomes_a_small_mp4_with_short_gops(codec: str) -> None:
    profile = VideoProfile(codec=codec, short_side=80, gop=4)
    made = transcode(video(22, (144, 200)), "mp4", profile)
    assert (made.ext, made.facts.kind, made.facts.codec) == ("mp4", "video", codec)
    assert (made.facts.width, made.facts.height, made.facts.num_frames) == (112, 80, 22)
    assert made.facts.fps == pytest.approx(25) and made.facts.duration == pytest.approx(0.88)
    assert made.facts.start_time == 0 and made.frames == tuple(range(22))
    assert made.key_frames.frames == [0, 4, 8, 12, 16, 20]
    assert made.media.index(b"moov") < made.media.index(b"mdat")
    frames = decoded(made.media)
    assert {frame.format.name for frame in frames} == {"yuv420p"} and {frame.color_range for frame in frames} == {1}
    assert all(frame.pict_type in (av.video.frame.PictureType.I, av.video.frame.PictureType.P) for frame in frames)
    error = pixels(made.media, "video", [0, 11, 21], (80, 112)) - pixels(
        video(22, (144, 200)), "video", [0, 11, 21], (80, 112)
    )
    assert np.abs(error).mean() < 4


def test_an_animated_gif_is_a_video_and_frame_samples_stay_as_they_are(samples: Path) -> None:
    made = transcode((samples / "images/bbb_grass.gif").read_bytes(), "gif", SMALL)
    assert (made.ext, made.facts.kind, made.facts.num_frames) == ("mp4", "video", 10)
    stored = transcode(video(9), "mp4", FramesProfile(num_frames=4))
    for profile in (SMALL, FramesProfile(num_frames=2)):
        again = transcode(stored.media, "zip", profile)
        assert (again.media, again.ext, again.facts) == (stored.media, "zip", stored.facts)


def test_damage_is_a_media_error_with_a_reason() -> None:
    data = video(60, ext="avi", codec="mjpeg", pix_fmt="yuvj420p")
    with pytest.raises(MediaError, match="not a video"):
        transcode(b"no video at all", "mp4", SMALL)
    damaged = bytearray(data)
    for at in range(len(data) // 3, len(data) - 3000, 97):
        damaged[at] ^= 0xFF
    with pytest.raises(MediaError, match=r"(decoding fails after|the stream ends after) \d+ "):
        transcode(bytes(damaged), "avi", SMALL)


@settings(max_examples=30)
@given(data=st.data())
def test_whatever_the_bytes_are_the_answer_is_a_medium_or_a_media_error(data: st.DataObject) -> None:
    damaged = bytearray(_WHOLE)
    for _ in range(data.draw(st.integers(1, 20))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged))) :]
    try:
        made = transcode(bytes(damaged), "mp4", data.draw(st.sampled_from([SMALL, FramesProfile(num_frames=3)])))
        assert made.facts == probe(made.media, f"x.{made.ext}")
    except MediaError as error:
        assert str(error)


_WHOLE = video(12, (48, 64))
