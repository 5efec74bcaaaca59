"""Encoders give the same bytes each time, and one that is missing is named before the work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
import pytest

from shards.base.errors import MediaError
from tests.tools.media.scenes import video
from tools.media.codecs import CODECS
from tools.media.profiles import VideoProfile, find_profile
from tools.media.transcode import transcode
from tools.rows import OptionError


@pytest.mark.parametrize("encoder_threads", [1, 3])
@pytest.mark.parametrize("codec", list(CODECS))
def test_the_same_bytes_come_each_time_and_in_threads(codec: str, encoder_threads: int) -> None:
    data, profile = video(10), VideoProfile(codec=codec, short_side=64, encoder_threads=encoder_threads)
    first = transcode(data, "mp4", profile)
    with ThreadPoolExecutor(3) as pool:
        assert all(made == first for made in pool.map(lambda _: transcode(data, "mp4", profile), range(3)))


def test_h264_of_a_narrow_video_is_the_same_at_the_hundredth_time() -> None:
    """x264's macroblock tree is not, at a width that is no multiple of 128."""
    clip = video(12, (72, 96))
    profile = VideoProfile(short_side=48, gop=4)
    assert len({transcode(clip, "mp4", profile).media for _ in range(300)}) == 1


def test_a_size_that_an_encoder_refuses_is_named() -> None:
    codec = CODECS["av1"]
    context = av.CodecContext.create(codec.encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt, context.time_base = 2, 2, "yuv420p", Fraction(1, 25)
    with pytest.raises(MediaError, match="the av1 encoder refuses 2x2"), codec.encoding(2, 2):
        context.open()


def test_an_encoder_that_is_missing_is_said_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CODECS, "hevc", CODECS["hevc"]._replace(encoder="libnone"))
    with pytest.raises(OptionError, match=r"this PyAV has no encoder libnone for hevc; choose another --codec, or"):
        find_profile("hevc_256")
