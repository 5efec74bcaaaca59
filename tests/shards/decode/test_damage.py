"""In damaged streams a clip by GOP table is that of linear decoding, bit for bit, or both fail with a reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import MediaError
from shards.media.facts import KeyFrames
from shards.media.medium import Media
from shards.media.partial import PartialMedium
from shards.media.probe import probe_table
from shards.media.videos.seekable import usable
from tests.shards.bars import Take, film, frames_of, numbers_of, remux

NUM_FRAMES = 60
_VPX = "g=12 cpu-used=8 deadline=good auto-alt-ref=1 lag-in-frames=8"
TAKES = {
    "h264": (Take("libx264", "mp4", "preset=superfast g=12 bf=2"), "mp4 mkv mov"),
    "hevc": (Take("libx265", "mp4", "preset=ultrafast x265-params=keyint=12:bframes=3:log-level=none"), "mp4 mkv"),
    "mpeg4": (Take("mpeg4", "mp4", "g=12 bf=2"), "mp4 mkv"),
    "vp9": (Take("libvpx-vp9", "webm", _VPX), "webm mp4"),
    "av1": (Take("libsvtav1", "mp4", "g=12 preset=13 svtav1-params=lp=1"), "mp4 mkv"),
}


@st.composite
def damaged(draw: st.DrawFn, take: Take, containers: str) -> tuple[bytes, str]:
    """A video with packets missing, bits flipped, a part overwritten or the end cut off, or some of it."""
    ext = draw(st.sampled_from(containers.split()))
    missing = draw(st.sets(st.integers(0, NUM_FRAMES - 1), max_size=4))
    data = bytearray(remux(film(take, NUM_FRAMES), ext, lambda place: place not in missing))
    for at in draw(st.lists(st.integers(0, len(data) - 1), max_size=6)):
        data[at] ^= 1 << draw(st.integers(0, 7))
    if draw(st.booleans()):
        start = draw(st.integers(0, len(data) - 1))
        stop = min(len(data), start + draw(st.integers(1, 200)))
        data[start:stop] = np.random.default_rng(start).bytes(stop - start)
    end = draw(st.one_of(st.just(len(data)), st.integers(len(data) // 2, len(data))))
    return bytes(data[:end]), ext


def outcome(media: Media, numbers: list[int]) -> np.ndarray | None:
    try:
        return frames_of(media, numbers)
    except MediaError as error:
        assert str(error)
        return None


def check(data: bytes, ext: str, places: list[int]) -> None:
    try:
        facts, found = probe_table(data, f"x.{ext}")
    except MediaError:
        return
    table = KeyFrames.of(found).without_marks()
    if usable(table, len(data)):
        numbers = sorted(place % facts.num_frames for place in places)
        one, other = outcome(data, numbers), outcome(PartialMedium.of_bytes(data, table), numbers)
        assert (one is None) == (other is None)
        assert one is None or np.array_equal(one, other)


@pytest.mark.parametrize("name", TAKES)
def test_a_damaged_stream_gives_the_same_with_and_without_a_table(name: str) -> None:
    places = st.lists(st.integers(0, NUM_FRAMES - 1), min_size=1, max_size=3)

    @settings(max_examples=25)
    @given(made=damaged(*TAKES[name]), places=places)
    def hold(made: tuple[bytes, str], places: list[int]) -> None:
        check(*made, places)

    hold()


def test_behind_a_damaged_group_of_pictures_the_frames_keep_their_numbers() -> None:
    take = Take("libvpx-vp9", "mp4", "g=12 cpu-used=8 deadline=realtime")
    data = bytearray(film(take, NUM_FRAMES))
    table = KeyFrames.of(probe_table(bytes(data), "x.mp4")[1])
    start = table.offsets[2]  # a key frame without its header
    data[start : start + 20] = b"\xff" * 20
    numbers = [5, table.frames[3], 50, 59]
    whole = bytes(data)
    assert numbers_of(whole, numbers) == numbers_of(PartialMedium.of_bytes(whole, table), numbers) == numbers
    for media in (whole, PartialMedium.of_bytes(whole, table)):
        with pytest.raises(MediaError, match=r"frame 30 was planned but decoding fails after \d+ frames"):
            numbers_of(media, [5, 30, 50])
