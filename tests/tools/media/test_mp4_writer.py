"""An MP4 keeps times and colours, is upright, has sides that are multiples of 16 and no sound."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from shards.decode.packing.coded_size import Window, shown_window
from shards.decode.packing.remux import remux
from shards.media.probe import probe
from shards.media.videos.video import open_video
from shards.media.videos.video_facts import frame_times
from tests.tools.media.scenes import SMALL, decoded, pixels, video
from tools.media.codecs import CODECS
from tools.media.profiles import FramesProfile, VideoProfile
from tools.media.transcode import transcode


@pytest.mark.parametrize("ext", ["mp4", "mkv"])
def test_frames_of_variable_length_keep_their_times(ext: str) -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.integers(15, 200, 30)).tolist()
    data = video(30, times=times, ext=ext)
    made = transcode(data, ext, SMALL)
    expected = (np.array(times) - times[0]) / 1000
    np.testing.assert_allclose([float(frame.time) for frame in decoded(made.media)], expected, atol=1e-3)
    np.testing.assert_allclose(frame_times(made.media), expected, atol=1e-3)
    assert made.facts.duration == pytest.approx(probe(data, f"x.{ext}").duration, abs=0.002)


@pytest.mark.parametrize(
    ("size", "expected"), [((75, 101), (80, 96)), ((2, 2), (16, 16)), ((33, 640), (32, 640)), ((10, 300), (16, 304))]
)
def test_sides_become_multiples_of_16(size: tuple[int, int], expected: tuple[int, int]) -> None:
    made = transcode(video(3, size, "mpeg4", pix_fmt="yuv420p"), "mp4", SMALL.model_copy(update={"short_side": 76}))
    assert (made.facts.height, made.facts.width) == expected


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize(("size", "expected"), [((360, 640), (256, 448)), ((90, 160), (96, 160)), ((34, 20), (32, 16))])
def test_a_decoder_of_whole_blocks_need_not_cut(size: tuple[int, int], expected: tuple[int, int], codec: str) -> None:
    profile = VideoProfile(codec=codec)
    made = transcode(video(2, size), "mp4", profile)
    high, wide = expected
    assert window(made.media) == Window((wide, high), 0, 0, wide, high)
    turned = transcode(video(2, size, rotation=90), "mp4", profile)
    assert window(turned.media) == Window((high, wide), 0, 0, high, wide)


def window(data: bytes) -> Window:
    """What is shown of the pictures as they are coded."""
    with open_video(data) as (_, stream):
        return shown_window(stream.codec_context.codec.canonical_name, stream.codec_context.extradata or b"")


CLIPS = ("toy_frog.mp4", "coffee_pour.mp4", "barrel_tour.mp4", "phone_screen_vfr.mp4", "letter_blocks.mp4")
"""720x480, 1280x720, HEVC 640x360, 1080x2280 of a variable rate, AV1."""


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("codec", list(CODECS))
def test_clips_of_the_corpus_go_to_nvdec_as_they_are_coded(corpus: Path, name: str, codec: str) -> None:
    data = (corpus / "videos" / name).read_bytes()
    made = transcode(data, "mp4", VideoProfile(codec=codec, every=40, quality=50))
    remuxed = remux(made.media, (0, made.facts.num_frames - 1), gpu=True)
    assert remuxed.window == Window(remuxed.window.coded, 0, 0, *remuxed.window.coded)
    assert remuxed.window.coded == (made.facts.width, made.facts.height)
    assert not made.facts.width % 16 and not made.facts.height % 16 and min(remuxed.window.coded) == 256


@pytest.mark.parametrize("rotation", [90, 180, -90])
@pytest.mark.parametrize("profile", [VideoProfile(short_side=64, quality=8), FramesProfile(short_side=64)])
def test_rotation_is_applied_to_the_pixels(rotation: int, profile: Any) -> None:
    data = video(8, rotation=rotation)
    made = transcode(data, "mp4", profile)
    long = 80 if made.facts.kind == "video" else 85
    high, wide = (64, long) if rotation == 180 else (long, 64)
    assert (made.facts.height, made.facts.width) == (high, wide)
    assert decoded(made.media)[0].rotation == 0 if made.facts.kind == "video" else True
    error = pixels(made.media, made.facts.kind, [0, 7], (high, wide)) - pixels(data, "video", [0, 7], (high, wide))
    assert np.abs(error).mean() < 5


@pytest.mark.parametrize(
    ("context", "matrix", "range_"),
    [
        ({}, 6, 1),
        ({"colorspace": 1, "color_range": 1}, 1, 1),
        ({"colorspace": 5, "color_range": 1}, 5, 1),
        ({"colorspace": 1, "color_range": 2}, 1, 2),
        ({"pix_fmt": "yuvj420p", "color_range": 2}, 6, 2),
        ({"pix_fmt": "yuv420p10le", "colorspace": 9, "color_range": 1}, 9, 1),
    ],
)
@pytest.mark.parametrize("codec", list(CODECS))
def test_colours_stay_what_they_are(context: dict[str, Any], matrix: int, range_: int, codec: str) -> None:
    data = video(4, **context)
    made = transcode(data, "mp4", VideoProfile(codec=codec, quality=4))
    frame = decoded(made.media)[0]
    assert (frame.colorspace, frame.color_range) == (matrix, range_)
    assert frame.format.name == ("yuvj420p" if range_ == 2 and codec != "av1" else "yuv420p")
    error = pixels(made.media, "video", [0, 3], (96, 128)) - pixels(data, "video", [0, 3], (96, 128))
    assert np.abs(error.mean(axis=(0, 1, 2))).max() < 1, "a matrix or range that is taken wrong shifts colours by 5"


def test_sound_is_dropped(samples: Path) -> None:
    made = transcode((samples / "videos/tree_window.mp4").read_bytes(), "mp4", VideoProfile(every=20))
    with av.open(io.BytesIO(made.media)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
