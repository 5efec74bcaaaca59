"""Of a video the frames of the profile come through, in order, whatever its kind."""

from __future__ import annotations

import numpy as np
import pytest

from shards.media.videos.video_facts import frame_times
from tests.shards.bars import numbers_of
from tests.shards.films import SEEKABLE, Film, shoot
from tests.tools.media.scenes import FIELD, SMALL, pixels, video
from tools.media.profiles import FramesProfile, VideoProfile, find_profile
from tools.media.transcode import transcode


@pytest.mark.parametrize(
    "name", ["h264, open GOPs", "h264, 4:4:4", "hevc in mkv", "vp9, hidden frames", "mpeg4", "av1"]
)
def test_every_frame_of_every_kind_of_video_comes_through_in_order(name: str) -> None:
    film = SEEKABLE[name]
    data = shoot(film)
    made = transcode(data, film.ext, VideoProfile(quality=10))
    numbers = list(range(0, 110, 7))
    assert made.facts.num_frames == 110 and (made.facts.width, made.facts.height) == (64, 48)
    before, after = (pixels(d, "video", numbers, (48, 64)) for d in (data, made.media))
    for number, frame in enumerate(after):
        nearest = np.abs(before - frame).mean(axis=(1, 2, 3)).argmin()
        assert nearest == number


def test_the_tenth_of_the_frames_keeps_the_duration() -> None:
    data = video(47)
    made = transcode(data, "mp4", find_profile("h264_256_tenth"))
    assert made.frames == (0, 10, 20, 30, 40)
    assert (made.facts.num_frames, made.facts.duration) == (5, pytest.approx(1.88))
    np.testing.assert_allclose(frame_times(made.media), [0, 0.4, 0.8, 1.2, 1.6])
    error = pixels(made.media, "video", [0, 1, 4], (96, 128)) - pixels(data, "video", [0, 10, 40], (96, 128))
    assert np.abs(error).mean() < 4


def test_a_fixed_rate_drops_frames_and_never_repeats_one() -> None:
    assert transcode(video(50), "mp4", VideoProfile(fps=5)).frames == tuple(range(0, 50, 5))
    assert transcode(video(10), "mp4", VideoProfile(fps=60)).frames == tuple(range(10))


def test_a_file_that_was_cut_off_gives_the_frames_before_the_cut() -> None:
    data = shoot(Film(ext="ts", options="preset=ultrafast g=12"))
    made = transcode(data[: len(data) * 2 // 3], "ts", SMALL)
    assert 50 < made.facts.num_frames < 80


def test_a_joined_stream_keeps_its_length_and_all_of_its_frames() -> None:
    data = (FIELD / "concat.ts").read_bytes()
    made = transcode(data, "ts", VideoProfile(short_side=96, quality=10))
    assert made.facts.num_frames == 200 and made.facts.duration == pytest.approx(8.0, abs=0.05)
    assert np.diff(frame_times(made.media)) == pytest.approx([0.04] * 199, abs=1e-3)
    assert numbers_of(made.media, [0, 99, 100, 199]) == [0, 99, 0, 99]
    pictures = transcode(data, "ts", FramesProfile(num_frames=4))
    assert pictures.facts.duration == pytest.approx(8.0) and pictures.frames == (25, 75, 125, 175)


def test_a_stream_that_starts_between_key_frames_is_transcoded_from_its_first_one() -> None:
    made = transcode((FIELD / "head13.mp4").read_bytes(), "mp4", VideoProfile(short_side=96, quality=10))
    assert made.facts.num_frames == 75 and made.facts.duration == pytest.approx(3.0)
    assert numbers_of(made.media, [0, 1, 74]) == [25, 26, 99]
