"""Profiles say which frames are kept and how large they are; wrong fields are named."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.probe import probe
from tests.shards.films import Film, shoot
from tools.media.profiles import PROFILES, FramesProfile, VideoProfile, describe, find_profile, fit
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


@given(width=SIDES, height=SIDES, short=st.integers(16, 600), even=st.booleans())
def test_sides_fit_are_even_and_never_grow(width: int, height: int, short: int, even: bool) -> None:
    wide, high = fit(width, height, short, even)
    step = 2 if even else 1
    assert wide % step == high % step == 0
    assert step <= wide <= max(step, width) and step <= high <= max(step, height)
    if min(width, height) >= short:
        assert abs(min(wide, high) - short) < step
        assert max(wide, high) == pytest.approx(max(width, height) * short / min(width, height), abs=1)
    else:
        assert (wide, high) == (max(step, width - width % step), max(step, height - height % step))


def test_every_profile_is_found_and_described() -> None:
    for name, profile in PROFILES.items():
        assert find_profile(name) == profile
        said = describe(name, profile)
        assert said["name"] == name and isinstance(said["quality"], int) and said["pyav"] == av.__version__


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
