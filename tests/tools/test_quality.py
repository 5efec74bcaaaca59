"""The report of what transcoding did: true errors, at equal size, of the frames that belong together."""

from __future__ import annotations

import numpy as np
import pytest

from shards.decode.cpu import decode
from shards.media.clip_plan import ClipPlan
from tests.shards.films import Film, shoot
from tests.tools.media.scenes import video
from tools.media.profiles import FramesProfile, VideoProfile
from tools.media.transcode import transcode
from tools.quality import Medium, errors_of_frames, measure


def test_errors_are_those_of_the_luma() -> None:
    rng = np.random.default_rng(0)
    gray = np.repeat(rng.integers(20, 230, (3, 48, 64, 1), np.uint8), 3, axis=3)
    darker = gray.copy()
    darker[1] -= 10
    (first, brightness, last) = errors_of_frames(darker, gray)
    assert first == last == (0.0, 1.0)
    # A gray of n has luma 16 + n * 219 / 255.
    assert brightness[0] == pytest.approx((10 * 219 / 255) ** 2, rel=0.05) and 0.9 < brightness[1] < 1


def test_odd_sizes_are_compared_too() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 31, 47, 3), np.uint8)
    assert errors_of_frames(frames, frames) == [(0.0, 1.0)] * 2


@pytest.mark.parametrize(
    "profile",
    [
        VideoProfile(short_side=48, quality=12),
        VideoProfile(short_side=48, quality=12, every=10),
        VideoProfile(short_side=48, quality=12, fps=4),
        FramesProfile(num_frames=6, short_side=48, quality=95),
    ],
)
def test_frames_are_compared_with_those_they_come_from(profile: VideoProfile | FramesProfile) -> None:
    data = video(60)
    made = transcode(data, "mp4", profile)
    found = measure([(Medium(data, "mp4"), Medium(made.media, made.ext))], profile)
    assert found is not None and found.media == 1 and found.frames == min(4, made.facts.num_frames)
    assert found.psnr_db is not None and found.psnr_db > 35 and found.worst_ssim > 0.9
    assert (found.bytes_before, found.bytes_after) == (len(data), len(made.media))
    assert min(found.clips_per_s_before, found.clips_per_s_after) > 0
    neighbour = decode(made.media, made.facts.kind, _plan(1, 0)), decode(made.media, made.facts.kind, _plan(0, 1))
    assert errors_of_frames(*neighbour)[0][0] > 2 * 255**2 / 10 ** (found.psnr_db / 10)


def _plan(*frames: int) -> ClipPlan:
    return ClipPlan(frames, (48, 64), (0, 0, 48, 64))


def test_a_damaged_medium_costs_the_report_only_itself() -> None:
    data = video(60)
    damaged = data[: data.index(b"mdat") + 200] + bytes(len(data) // 2)
    profile = FramesProfile(num_frames=6, short_side=48, quality=95)
    made = transcode(data, "mp4", profile)
    after = Medium(made.media, made.ext)
    found = measure([(Medium(damaged, "mp4"), after), (Medium(data, "mp4"), after)], profile)
    assert found is not None and (found.media, found.damaged) == (1, 1)
    assert measure([(Medium(damaged, "mp4"), after)], profile) is None


def test_lower_quality_is_told() -> None:
    data = shoot(Film(options="preset=ultrafast g=12"))
    figures = []
    for quality in (10, 40):
        made = transcode(data, "mp4", VideoProfile(quality=quality))
        figures.append(measure([(Medium(data, "mp4"), Medium(made.media, "mp4"))], VideoProfile()))
    fine, coarse = figures
    assert fine is not None and coarse is not None and fine.psnr_db is not None and coarse.psnr_db is not None
    assert fine.psnr_db > coarse.psnr_db + 5 and fine.ssim > coarse.ssim and fine.bytes_after > coarse.bytes_after


def test_what_stayed_as_it_was_is_equal_and_nothing_is_nothing() -> None:
    data = video(5)
    found = measure([(Medium(data, "mp4"), Medium(data, "mp4"))], VideoProfile())
    assert found is not None and (found.psnr_db, found.ssim, found.to_dict()["worst_ssim"]) == (None, 1.0, 1.0)
    assert measure([], VideoProfile()) is None
