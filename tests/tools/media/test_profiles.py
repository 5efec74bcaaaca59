"""Profiles say which frames are kept and how large they are; wrong fields are named."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.probe import probe
from tests.shards.films import Film, shoot
from tools.media.profiles import PROFILES, SIDE_STEP, FramesProfile, VideoProfile, describe, find_profile, fit
from tools.rows import OptionError

SIDES = st.integers(1, 5000)


@given(gaps=st.lists(st.floats(0.001, 3), max_size=60), begin=st.floats(-5000, 5000), fps=st.floats(0.1, 60))
def test_a_fixed_rate_takes_the_first_frame_of_each_slot(gaps: list[float], begin: float, fps: float) -> None:
    times = begin + np.cumsum([0.0, *gaps])
    kept = VideoProfile(fps=fps).keep(times.tolist())
    assert kept[0] == 0 and kept == sorted(set(kept))
    slots = np.floor((times - times[0]) * fps + 1e-3)
    assert sorted(set(slots.tolist())) == slots[kept].tolist()


@given(have=st.integers(1, 500), want=st.integers(1, 64))
def test_stored_frames_are_those_of_a_uniform_plan(have: int, want: int) -> None:
    kept = FramesProfile(num_frames=want).keep(range(have))
    assert len(kept) == len(set(kept)) == min(have, want) and kept == sorted(kept)
    if have >= want:
        config = ClipConfig(num_frames=want, size=8)
        facts = probe(shoot(Film(options="preset=ultrafast"), 2), "x.mp4")
        facts = facts.__class__("video", "h264", 8, 8, have, facts.fps, 1.0)
        assert tuple(kept) == plan_clip(facts, config, np.random.default_rng(0)).frames


@given(width=SIDES, height=SIDES, short=st.integers(16, 600))
def test_sides_of_pictures_keep_their_shape_and_never_grow(width: int, height: int, short: int) -> None:
    wide, high = fit(width, height, short)
    assert 1 <= wide <= width and 1 <= high <= height
    if min(width, height) >= short:
        assert min(wide, high) == short
        assert max(wide, high) == pytest.approx(max(width, height) * short / min(width, height), abs=0.51)
    else:
        assert (wide, high) == (width, height)


@given(width=SIDES, height=SIDES, short=st.integers(16, 600))
@example(640, 360, 256)
@example(1, 5000, 16)
def test_sides_of_videos_are_the_nearest_multiples_of_16(width: int, height: int, short: int) -> None:
    wide, high = fit(width, height, short, SIDE_STEP)
    assert wide % 16 == high % 16 == 0 and min(wide, high) >= 16
    assert abs(min(wide, high) - min(short, width, height)) <= 8 or min(width, height) < 8
    assert fit(wide, high, short, SIDE_STEP) == (wide, high)
    assert fit(height, width, short, SIDE_STEP) == (high, wide)
    scale = min(1.0, fit(short, short, short, SIDE_STEP)[0] / min(width, height))
    for made, exact in ((wide, width * scale), (high, height * scale)):
        assert abs(made - exact) <= 8 or (made == 16 and exact < 8)
    if min(width, height) >= 16:
        stretched = (wide / high) / (width / height)
        most = [8 / max(16, side * scale) for side in (width, height)]
        assert (1 - most[0]) / (1 + most[1]) <= stretched <= (1 + most[0]) / (1 - most[1])


def test_common_sizes_are_stretched_by_three_percent_at_most() -> None:
    for width, height, expected in (
        (640, 360, (448, 256)),
        (1920, 1080, (448, 256)),
        (640, 480, (336, 256)),
        (720, 576, (320, 256)),
        (1080, 1920, (256, 448)),
        (480, 480, (256, 256)),
        (426, 240, (432, 240)),
        (320, 240, (320, 240)),
        (320, 180, (320, 176)),
    ):
        wide, high = fit(width, height, 256, SIDE_STEP)
        assert (wide, high) == expected
        assert wide / high == pytest.approx(width / height, rel=0.03)


def test_every_profile_is_found_and_described() -> None:
    for name, profile in PROFILES.items():
        assert find_profile(name) == profile
        said = describe(name, profile)
        assert said["name"] == name and isinstance(said["quality"], int) and said["pyav"] == av.__version__
        assert said.get("side_step") == (16 if isinstance(profile, VideoProfile) else None)


def test_fields_are_changed_and_wrong_ones_named() -> None:
    profile = find_profile("h264_256", short_side=128, gop=None, codec="hevc")
    assert profile == VideoProfile(short_side=128, codec="hevc")
    with pytest.raises(OptionError, match=r"no media profile is called 'h265'; known: h264_256, "):
        find_profile("h265")
    with pytest.raises(OptionError, match=r"profile h264_256 takes no --num-frames; it takes --short-side, --codec"):
        find_profile("h264_256", num_frames=4)
    with pytest.raises(OptionError, match=r"profile frames_8 takes no --codec, --gop; it takes --num-frames"):
        find_profile("frames_8", gop=4, codec="h264")
    with pytest.raises(OptionError, match=r"profile h264_256: quality 60 is beyond 51, the worst of h264"):
        find_profile("h264_256", quality=60)
    with pytest.raises(OptionError, match=r"profile h264_256_tenth: fps 5 and every 10 both say which frames are kept"):
        find_profile("h264_256_tenth", fps=5)
    with pytest.raises(OptionError, match=r"profile av1_256: codec: Input should be 'h264', 'hevc' or 'av1'"):
        find_profile("av1_256", codec="vp9")
