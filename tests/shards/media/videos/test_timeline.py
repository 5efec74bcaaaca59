"""Times of frames are plausible whatever the stamps of a container are; good stamps are taken as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from av import Packet
from hypothesis import given
from hypothesis import strategies as st

from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.facts import KeyFrames
from shards.media.probe import probe_table
from shards.media.videos.seekable import usable
from shards.media.videos.timeline import MAX_LENGTHS, MAX_SECONDS, Stamp, timeline
from tests.shards.bars import Take, film, numbers_of, remux

FIELD = Path(__file__).resolve().parents[3] / "field"
TICK = 1 / 1000
H264 = Take("libx264", "ts", "preset=ultrafast g=25 bf=2")
PLAIN = Take("libx264", "mkv", "preset=ultrafast g=25 bf=0")


def stamps(times: Sequence[int | None], dts: Sequence[int | None] | None = None) -> list[Stamp]:
    """Of frames that are decoded in the order in which they are shown, if no other is given."""
    return [Stamp(pts, at, False, -1, 40) for pts, at in zip(times, times if dts is None else dts, strict=True)]


def test_good_stamps_are_taken_as_they_are() -> None:
    times = [0, 120, 40, 80, 240, 160, 200, 5000, 4960]
    found = timeline(stamps(times, range(-80, 40 * 9 - 80, 40)), TICK, 25.0)
    assert found.order == [0, 2, 3, 1, 5, 6, 4, 8, 7] and not found.mended
    assert found.times == [time * TICK for time in sorted(times)] and found.end == pytest.approx(5.04)


@pytest.mark.parametrize(
    "times",
    [
        [4000, 4040, 4080, 4120, 0, 40, 80, 120],  # joined
        [0, 40, 80, 120, 9_600_000_000_000_000, 200, 240, 280],  # bogus
        [0, 40, 80, -9_600_000_000_000_000, 160, 200, 240, 280],
        [9_600_000_000_000_000, 40, 80, 120, 160, 200, 240, 280],
        [0, 10_000_000, 10_000_040, 10_000_080, 10_000_120, 10_000_160, 10_000_200, 10_000_240],  # a hole
        [0, 40, 80, 120, 160, 95_443_717, 95_443_757, 95_443_797],
        [0] * 8,
        [77] * 8,
        [None] * 8,
        [None, None, None, 120, 160, 200, 240, 280],
        [0, 40, None, None, 160, 200, None, None],
        [(1 << 62) + 40 * number for number in range(8)],
    ],
)
def test_bad_stamps_give_frames_that_last_equally_long(times: list[int | None]) -> None:
    found = timeline(stamps(times), TICK, 25.0)
    assert found.order == list(range(8))
    assert np.diff([*found.times, found.end]) == pytest.approx([0.04] * 8)
    assert found.mended and abs(found.times[0]) < 1e10


def test_a_key_frame_begins_a_new_part_however_short_the_one_before_was() -> None:
    parts = [Stamp(40 * (number % 3), 40 * (number % 3), number % 3 == 0, -1, 40) for number in range(9)]
    found = timeline(parts, TICK, 25.0)
    assert found.order == list(range(9)) and found.times == pytest.approx(0.04 * np.arange(9))


def test_one_stamp_that_runs_ahead_of_its_decoding_by_far_is_not_believed() -> None:
    found = timeline(stamps([0, 40, 10**9, 120, 160], [0, 40, 80, 120, 160]), TICK, 25.0)
    assert found.order == [0, 1, 2, 3, 4] and found.times == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])


def test_frames_that_are_shown_at_one_time_and_long_pauses_stay() -> None:
    found = timeline(stamps([0, 0, 40, 40, 59_000, 59_000]), TICK, 0.0)
    assert found.times == pytest.approx([0, 0, 0.04, 0.04, 59, 59]) and not found.mended


@given(
    st.lists(st.one_of(st.none(), st.integers(-1000, 5000), st.integers(-(1 << 63), (1 << 63) - 1)), max_size=30),
    st.lists(st.one_of(st.none(), st.integers(-1000, 5000), st.integers(-(1 << 63), (1 << 63) - 1)), max_size=30),
    st.floats(0, 1000),
)
def test_whatever_the_stamps_are_times_rise_and_no_frame_lasts_absurdly_long(
    pts: list[int | None], dts: list[int | None], fps: float
) -> None:
    count = min(len(pts), len(dts))
    found = timeline(stamps(pts[:count], dts[:count]), TICK, fps)
    assert sorted(found.order) == list(range(count)) and len(found.times) == count
    steps = np.diff([*found.times, found.end]) if count else np.zeros(0)
    assert (steps >= -1e-3).all() and (steps <= MAX_SECONDS * MAX_LENGTHS + 1e-3).all()


# ------------------------------------------------------------ files


def check_all_agree(data: bytes, ext: str, count: int, duration: float) -> None:
    """Facts, plans by time, and decoding."""
    facts, found = probe_table(data, f"x.{ext}")
    table = KeyFrames.of(found)
    assert facts.num_frames == count and facts.duration == pytest.approx(duration, abs=0.1)
    assert facts.fps == pytest.approx(25, rel=0.1)
    facts = replace(facts, look_up_key_frames=lambda: table)
    config = ClipConfig(num_frames=4, size=96, sampling="fps_middle", fps=5.0)
    numbers = plan_clip(facts, config, np.random.default_rng(0)).frames
    assert np.diff(numbers).tolist() == [5, 5, 5] and abs(numbers[1] - (count - 5) // 2) <= 3
    snapped = plan_clip(facts, config.model_copy(update={"snap": True}), np.random.default_rng(0)).frames
    assert all(number in table.without_marks().frames for number in snapped)


def test_a_joined_transport_stream_from_the_field_lasts_as_long_as_both_its_parts() -> None:
    data = (FIELD / "concat.ts").read_bytes()
    check_all_agree(data, "ts", 200, 8.0)
    assert numbers_of(data, [0, 99, 100, 150, 199]) == [0, 99, 0, 50, 99]


@pytest.mark.parametrize(("ext", "codec"), [("ts", H264), ("mpg", Take("mpeg2video", "mpg", "g=12 bf=2"))])
def test_streams_joined_byte_by_byte(ext: str, codec: Take) -> None:
    data = film(codec) + film(codec, 50) + film(codec, 25)
    check_all_agree(data, ext, 175, 7.0)


def test_joined_streams_are_not_sought_in() -> None:
    data = (FIELD / "concat.ts").read_bytes()
    table = KeyFrames.of(probe_table(data, "x.ts")[1]).without_marks()
    assert table.frames == [0, 25, 50, 75, 100, 125, 150, 175] and not usable(table, len(data))


@pytest.mark.parametrize("shift", [1 << 33, (1 << 33) - 45 * 3600])
def test_a_clock_of_33_bits_that_wraps_round_goes_on(shift: int) -> None:
    def change(place: int, packet: Packet) -> None:
        packet.pts += shift
        packet.dts += shift

    data = remux(film(H264), "ts", change=change, mpegts_copyts="1")
    check_all_agree(data, "ts", 100, 4.0)


@pytest.mark.parametrize("hole", [3_600_000, 95_443_717])
def test_a_hole_in_the_times_of_a_file_is_no_part_of_its_duration(hole: int) -> None:
    def change(place: int, packet: Packet) -> None:
        packet.pts += hole * (place >= 50)
        packet.dts += hole * (place >= 50)

    data = remux(film(PLAIN), "mkv", change=change)
    check_all_agree(data, "mkv", 100, 4.0)
    assert numbers_of(data, [0, 49, 50, 99]) == [0, 49, 50, 99]
