"""Time marks: from them the times of all frames follow, and constant rates need none."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shards.media.facts import TIME_MARK, KeyFrame
from shards.media.frames import pack_frames
from shards.media.probe import probe_key_frames, probe_table
from shards.media.videos.time_marks import MAX_MARKS, find_marks, with_marks
from tests.shards.films import SEEKABLE, shoot


def off(times: list[float], end: float, known: list[int]) -> float:
    """How far the worst frame is off when frames between known ones count as equally long, in mean lengths."""
    clock = np.array([*times, end])
    known = sorted({0, *known, len(times)})
    return float(
        np.abs(np.interp(np.arange(len(clock)), known, clock[known]) - clock).max() * len(times) / (end - times[0])
    )


@given(st.lists(st.floats(0.001, 5), min_size=1, max_size=200), st.lists(st.integers(0, 199), max_size=5))
def test_all_times_follow_from_the_marks_to_half_a_frame(lengths: list[float], keys: list[int]) -> None:
    clock = np.cumsum([3.0, *lengths]).tolist()
    keys = [key for key in keys if key < len(lengths)]
    marks = find_marks(clock[:-1], clock[-1], keys)
    assert marks == sorted(set(marks) - set(keys)) and all(0 < mark < len(lengths) for mark in marks)
    assert off(clock[:-1], clock[-1], [*keys, *marks]) <= 0.5 + 1e-9


def test_a_constant_rate_needs_no_marks() -> None:
    times = np.arange(2000) / 29.97
    jitter = np.random.default_rng(0).uniform(-0.4, 0.4, 2000) / 29.97
    for clock in (times, times.round(3), np.sort(times + jitter)):
        assert find_marks(clock.tolist(), 2000 / 29.97, [0, 250]) == []
    assert find_marks([5.0], 6.0, []) == find_marks([5.0], 5.0, []) == []


def test_a_pause_is_marked_at_both_ends() -> None:
    times = [*(0.04 * np.arange(50)), *(0.04 * np.arange(50) + 4)]
    marks = find_marks(times, 6.0, [0])
    assert {49, 50} <= set(marks) and len(marks) <= 3


def test_marks_are_limited_and_taken_where_it_matters_most() -> None:
    lengths = np.where(np.arange(4000) % 2, 0.001, 2.0)
    lengths[1000:1010] = 500
    clock = np.cumsum([0, *lengths]).tolist()
    marks = find_marks(clock[:-1], clock[-1], [])
    assert len(marks) <= MAX_MARKS
    assert off(clock[:-1], clock[-1], marks) < 20 < off(clock[:-1], clock[-1], [])


def test_a_probe_lists_marks_beside_key_frames_only_where_the_rate_is_variable() -> None:
    variable, constant = shoot(SEEKABLE["h264, variable rate"]), shoot(SEEKABLE["h264"])
    assert probe_table(constant, "x.mp4") == probe_key_frames(constant, "x.mp4")
    facts, table = probe_table(variable, "x.mp4")
    assert probe_key_frames(variable, "x.mp4") == (facts, [frame for frame in table if frame.offset != TIME_MARK])
    assert any(frame.offset == TIME_MARK for frame in table)
    assert [frame.number for frame in table] == sorted({frame.number for frame in table})
    assert [frame.time for frame in table] == sorted({frame.time for frame in table})


def test_frames_shown_at_one_time_do_not_spoil_a_table() -> None:
    """Two of a clock so coarse that an index cannot tell them apart."""
    start = 40000.0
    times = [start + time for time in (0, 0.0001, 0.0002, 3.0, 3.0001, 3.0002, 6.0, 6.04, 6.08)]
    table = with_marks([KeyFrame(0, start, 48)], times, 6.12)
    shown = [np.float32(frame.time) for frame in table]
    assert len(table) > 2 and shown == sorted(set(shown))
    assert with_marks(table[:1], times, 0.0) == table[:1]


def test_frame_samples_have_marks_too() -> None:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "JPEG")
    for times, marked in (((0.0, 1.0, 2.0, 3.0), False), ((0.0, 0.1, 3.0, 3.1), True)):
        data = pack_frames([picture.getvalue()] * 4, "jpg", 1.0, 4.0, times)
        facts, table = probe_table(data, "x.zip")
        assert facts.num_frames == 4 and bool(table) == marked
        assert all(frame.offset == TIME_MARK for frame in table)
