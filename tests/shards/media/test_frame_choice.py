"""Frames of a clip: by number, by time, and snapped to key frames."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.base.errors import DatasetError, MediaError
from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.facts import TIME_MARK, KeyFrames, MediaFacts
from tests.shards.media.plans import (
    BY_NUMBER,
    FPS,
    SAMPLINGS,
    clips_of,
    plan,
    spread,
    video,
    with_table,
)


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 5), st.sampled_from(BY_NUMBER), st.integers(0, 99))
def test_frames_are_distinct_where_there_are_enough(have: int, want: int, clips: int, sampling: str, seed: int) -> None:
    frames = plan(video(have), seed, num_frames=want, num_clips=clips, sampling=sampling).frames
    if have // clips >= want:
        assert len(set(frames)) == want * clips
        assert list(frames) == sorted(frames)


@given(st.integers(1, 200), st.integers(1, 40), st.sampled_from(BY_NUMBER))
def test_a_short_video_repeats_frames_evenly(have: int, want: int, sampling: str) -> None:
    frames = plan(video(have), num_frames=want, sampling=sampling).frames
    if have < want or sampling == "uniform":
        assert frames == spread(have, want)
        times = [frames.count(number) for number in range(have)]
        assert max(times) - min(times) <= 1


def test_uniform_takes_the_middles_of_equal_parts() -> None:
    assert plan(video(100)).frames == (12, 37, 62, 87)
    assert plan(video(4)).frames == (0, 1, 2, 3)
    assert plan(video(2)).frames == (0, 0, 1, 1)
    assert plan(video(3), num_frames=8).frames == (0, 0, 0, 1, 1, 2, 2, 2)


def test_random_reaches_every_frame() -> None:
    seen = {frame for seed in range(60) for frame in plan(video(10), seed, sampling="random").frames}
    assert seen == set(range(10))


@pytest.mark.parametrize(("have", "want", "middle"), [(100, 4, 50), (101, 5, 51), (7, 7, 4), (5, 4, 3)])
def test_headtail_takes_half_of_each_half(have: int, want: int, middle: int) -> None:
    for seed in range(30):
        frames = plan(video(have), seed, sampling="headtail", num_frames=want).frames
        assert sum(frame < middle for frame in frames) == -(-want // 2)


@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 99))
def test_headtail_and_segment_take_their_share_of_every_part(have: int, want: int, seed: int) -> None:
    if have < want:
        return
    halves = plan(video(have), seed, num_frames=want, sampling="headtail").frames
    assert sum(frame < -(-have // 2) for frame in halves) == -(-want // 2)
    parts = plan(video(have), seed, num_frames=want, sampling="segment").frames
    assert all(i * have // want <= frame < (i + 1) * have // want for i, frame in enumerate(parts))


def test_segments_reach_every_frame() -> None:
    seen = [
        set(frames) for frames in zip(*(plan(video(10), s, sampling="segment").frames for s in range(60)), strict=True)
    ]
    assert seen == [{0, 1}, {2, 3, 4}, {5, 6}, {7, 8, 9}]


def test_a_picture_repeats_its_one_frame() -> None:
    for sampling in SAMPLINGS:
        assert plan(MediaFacts("image", "jpeg", 10, 10, 1), sampling=sampling).frames == (0, 0, 0, 0)
        assert plan(video(1), sampling=sampling, num_clips=2).frames == (0,) * 8


@pytest.mark.parametrize("want", [2, 4, 8, 16])
def test_the_released_uniform_sampling_is_reproduced(want: int) -> None:
    for have in range(1, 200):
        released = np.arange(0, have, have / want, dtype=int)
        assert plan(video(have), num_frames=want, sampling="released_uniform").frames == tuple(released.tolist())
    assert plan(video(47), num_frames=16, sampling="released_uniform").frames == tuple(range(0, 32, 2))
    assert plan(video(10), num_frames=16, sampling="released_uniform").frames == (0,) * 16


def test_several_clips_share_the_video() -> None:
    assert plan(video(100), num_clips=2).frames == (6, 18, 31, 43, 56, 68, 81, 93)
    assert plan(video(3), num_clips=2, num_frames=2).frames == (0, 0, 1, 2)
    assert plan(video(2), num_clips=3, num_frames=2).frames == (0, 0, 0, 0, 1, 1)
    for sampling in ("random", "headtail", "segment"):
        frames = plan(video(100), 5, num_clips=4, sampling=sampling).frames
        assert all(25 * clip <= frame < 25 * (clip + 1) for clip in range(4) for frame in frames[4 * clip :][:4])


@given(st.integers(2, 2000), st.integers(1, 40), st.floats(0.1, 60), st.integers(1, 4), st.integers(0, 999))
def test_frames_by_time_are_so_far_apart(have: int, want: int, fps: float, clips: int, seed: int) -> None:
    config = ClipConfig(num_frames=want, size=8, sampling="fps", fps=fps, num_clips=clips)
    made = plan_clip(video(have), config, np.random.default_rng(seed))
    if want / fps >= have / FPS:
        assert made.frames == spread(have, want) * clips
        return
    firsts = []
    for frames in clips_of(made, config):
        firsts.append(frames[0])
        # each frame is within one of where it is meant to be
        assert all(abs(frame - frames[0] - i * FPS / fps) < 1.1 for i, frame in enumerate(frames))
    assert firsts == sorted(firsts)


def test_a_window_by_time_is_anywhere_in_training_and_in_the_middle_in_evaluation() -> None:
    # 100 frames at 25 a second; 4 at 5 a second are 20 frames: shown at 2.5, 7.5, 12.5 and 17.5 frames from the start
    firsts = {plan(video(100), seed, sampling="fps").frames[0] for seed in range(800)}
    assert firsts == set(range(2, 83))
    assert plan(video(100), sampling="fps_middle").frames == (42, 47, 52, 57)
    assert plan(video(100), sampling="fps_middle", num_clips=2).frames == (22, 27, 32, 37, 62, 67, 72, 77)
    assert ClipConfig(num_frames=4, size=8, sampling="fps", fps=2).for_evaluation().sampling == "fps_middle"


def test_at_the_rate_of_the_video_every_frame_is_taken_and_above_it_frames_repeat() -> None:
    assert plan(video(100), fps=25, sampling="fps_middle").frames == (48, 49, 50, 51)
    assert plan(video(100), fps=50, sampling="fps_middle").frames == (49, 49, 50, 50)
    for seed in range(20):
        assert {b - a for a, b in pairwise(plan(video(100), seed, fps=12.5, sampling="fps", num_frames=9).frames)} == {
            2
        }


@given(st.lists(st.floats(0.01, 2), min_size=2, max_size=60), st.integers(1, 8), st.floats(0.3, 20), st.integers(0, 99))
def test_frames_of_unequal_length_are_found_by_their_times(
    lengths: list[float], want: int, fps: float, seed: int
) -> None:
    """A table that lists every frame says all there is to know."""
    ends = np.cumsum(lengths)
    have, starts = len(lengths), np.concatenate([[0], ends[:-1]])
    facts = MediaFacts("video", "h264", 64, 48, have, have / ends[-1], float(ends[-1]), 100.0)
    facts = with_table(facts, list(range(have)), (100 + starts).tolist())
    made = plan(facts, seed, num_frames=want, fps=fps, sampling="fps")
    if want / fps >= ends[-1]:
        assert made.frames == spread(have, want)
        return
    start = np.random.default_rng(seed).random(1)[0] * (ends[-1] - want / fps)
    for i, frame in enumerate(made.frames):
        time = start + (i + 0.5) / fps
        assert starts[frame] - 0.011 * lengths[frame - 1] <= time <= ends[frame] + 1e-6


@pytest.mark.parametrize(
    "table",
    [
        KeyFrames([], [], []),
        KeyFrames([0, 50, 20], [7.5, 8, 9], [0, 1, 2]),
        KeyFrames([0, 50], [7.5, 7.5], [0, 1]),
        KeyFrames([0, 500], [7.5, 9], [0, 1]),
        KeyFrames([0, 50], [7.5, float("nan")], [0, 1]),
        KeyFrames([0, 50], [7.5, float("inf")], [0, 1]),
        KeyFrames([-3, 50], [7.5, 9], [0, 1]),
        KeyFrames([0, 50], [-1e9, 1e9], [0, 1]),
    ],
)
def test_a_table_that_makes_no_sense_is_of_no_account(table: KeyFrames) -> None:
    facts = replace(video(100), look_up_key_frames=lambda: table)
    assert plan(facts, sampling="fps_middle").frames == (42, 47, 52, 57)
    if table.times[:1] != [-1e9]:
        assert plan(facts, snap=True).frames == (12, 37, 62, 87)


def test_without_a_duration_nothing_goes_by_time() -> None:
    facts = MediaFacts("video", "gif", 64, 48, 30)
    with pytest.raises(MediaError, match=r"the index says 30 frames in 0 s; sampling fps needs a duration"):
        plan(facts, sampling="fps")
    assert plan(replace(facts, fps=10.0), sampling="fps_middle").frames == (12, 14, 16, 18)  # 3 s of frames
    with pytest.raises(MediaError, match="needs a duration"):
        plan(replace(facts, duration=float("inf")), sampling="fps")


def test_time_marks_tell_times_and_are_no_key_frames() -> None:
    numbers, times, offsets = [0, 40, 50, 60, 80], [7.5, 7.6, 10.5, 10.7, 11.0], [0, TIME_MARK, 9, TIME_MARK, 99]
    facts = replace(video(100), look_up_key_frames=lambda: KeyFrames(numbers, times, offsets))
    assert plan(facts, snap=True).frames == (0, 50, 50, 80)
    assert plan(facts, sampling="fps_middle", fps=2, num_frames=2).frames == (45, 47)  # after 1.75 s and 2.25 s


@given(
    st.integers(2, 3000),
    st.lists(st.integers(0, 2999), unique=True, min_size=2, max_size=30).map(sorted),
    st.sampled_from(SAMPLINGS),
    st.integers(1, 3),
    st.integers(0, 99),
)
def test_snapping_goes_to_the_nearest_key_frame(
    have: int, keys: list[int], sampling: str, clips: int, seed: int
) -> None:
    keys = [key for key in keys if key < have]
    facts = video(have, keys=keys)
    exact = plan(facts, seed, sampling=sampling, num_clips=clips)
    snapped = plan(facts, seed, sampling=sampling, num_clips=clips, snap=True)
    assert (snapped.resize, snapped.crop, snapped.flip) == (exact.resize, exact.crop, exact.flip)
    if len(keys) < 2:
        assert snapped == exact
        return
    for before, after in zip(exact.frames, snapped.frames, strict=True):
        assert after in keys and abs(after - before) == min(abs(key - before) for key in keys)
        behind = next((key for key in keys if key > before), None)
        at = max((key for key in keys if key <= before), default=None)
        if at is not None and behind is not None:  # the promised bound, in frames of 1 / 25 s
            assert abs(after - before) <= (behind - at) / 2
        elif at is not None:
            assert after == at


def test_of_two_equally_near_key_frames_the_earlier_is_taken() -> None:
    assert plan(video(100, keys=[0, 24, 50, 74]), snap=True).frames == (0, 24, 50, 74)


def test_a_video_with_one_key_frame_stays_exact() -> None:
    assert plan(video(100, keys=[0]), snap=True).frames == (12, 37, 62, 87)


def test_snapping_without_tables_stops_the_run_but_not_for_pictures() -> None:
    with pytest.raises(DatasetError, match=r"the index has no GOP tables; index the dataset again with --media"):
        plan(video(), snap=True)
    assert plan(MediaFacts("image", "jpeg", 10, 10, 1), snap=True).frames == (0, 0, 0, 0)


def test_key_frames_are_looked_up_only_when_they_are_needed() -> None:
    def look_up() -> KeyFrames:
        raise AssertionError("looked up")

    facts = replace(video(), look_up_key_frames=look_up)
    for sampling in (*BY_NUMBER, "released_uniform"):
        plan(facts, sampling=sampling)
    for needed in ({"snap": True}, {"sampling": "fps"}):
        with pytest.raises(AssertionError, match="looked up"):
            plan(facts, **needed)
    assert facts == video() and hash(facts) == hash(video()) and "look_up" not in repr(facts)
