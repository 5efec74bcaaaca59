"""Frames are counted and numbered from the first that can be shown, and nothing is shown before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base.errors import MediaError
from shards.media.facts import KeyFrames
from shards.media.partial import PartialMedium
from shards.media.probe import probe_table
from shards.media.videos.seekable import usable
from tests.shards.bars import Take, film, number_on, numbers_of, picture, remux, shown_by_ffmpeg, without_first

FIELD = Path(__file__).resolve().parents[3] / "field"
_X264 = "preset=ultrafast g=25 bf=2"
_X265 = "preset=ultrafast x265-params=keyint=25:bframes=3:log-level=none"
H264, HEVC = Take("libx264", "mp4", _X264), Take("libx265", "mp4", _X265)
MPEG2, MPEG4 = Take("mpeg2video", "mpg", "g=12 bf=2"), Take("mpeg4", "avi", "g=12 bf=2")
CUT = {
    "h264": (H264, "mp4 mov mkv ts flv", 25),
    "h264, open GOPs": (
        Take("libx264", "mp4", "preset=superfast g=25 bf=3 x264-params=open-gop=1:scenecut=0"),
        "mp4 mkv",
        25,
    ),
    "hevc": (HEVC, "mp4 mkv ts", 25),
    "hevc, open GOPs": (Take("libx265", "mp4", f"{_X265}:open-gop=1"), "mp4 mkv ts", 25),
    "mpeg2": (MPEG2, "ts mpg mp4 mkv avi", 12),
    "mpeg4, B frames": (MPEG4, "avi mp4 mkv", 12),
    "mpeg4": (Take("mpeg4", "mp4", "g=12"), "avi mp4 mov mkv", 12),
    "vp8": (Take("libvpx", "webm", "g=25 cpu-used=8 deadline=realtime"), "webm mkv", 25),
    "vp9": (Take("libvpx-vp9", "webm", "g=25 cpu-used=8 deadline=realtime"), "webm mp4", 25),
    "av1": (Take("libsvtav1", "mp4", "g=25 preset=13 svtav1-params=lp=1"), "mp4 mkv", 25),
    "flv": (Take("flv", "flv", "g=12"), "flv avi", 12),
    "wmv": (Take("wmv2", "wmv", "g=12"), "wmv avi", 12),
    "screen video, whose frames do not say": (Take("flashsv", "flv", "g=12", "bgr24"), "flv", 12),
    "h263, whose container does not say": (Take("h263p", "avi", "g=12"), "avi", 12),
}
"""What is cut, into which containers, and the first key frame behind the cut."""


def facts_and_table(data: bytes, ext: str):  # type: ignore[no-untyped-def]
    facts, found = probe_table(data, f"x.{ext}")
    return facts, KeyFrames.of(found)


@pytest.mark.parametrize("name", CUT)
def test_a_stream_that_starts_between_key_frames_is_counted_from_its_first_one(name: str) -> None:
    take, containers, key = CUT[name]
    for ext in containers.split():
        data = without_first(film(take), ext, 7)
        facts, table = facts_and_table(data, ext)
        assert facts.num_frames == 100 - key, ext
        assert facts.duration == pytest.approx((100 - key) / 25, abs=0.09), ext
        some = [0, 1, 2, 30, 31, 99 - key]
        assert numbers_of(data, some) == [key + number for number in some], ext
        assert table.frames[0] == 0, ext
        if usable(table.without_marks(), len(data)):
            medium = PartialMedium.of_bytes(data, table.without_marks())
            assert numbers_of(medium, some) == [key + number for number in some], ext
            assert numbers_of(medium, [31]) == [key + 31], ext
        with pytest.raises(MediaError, match=rf"frame {200} was planned but the stream ends after {100 - key} frames"):
            numbers_of(data, [3, 200])


@pytest.mark.parametrize("cut", range(1, 14))
@pytest.mark.parametrize("name", ["h264, open GOPs", "hevc, open GOPs", "mpeg2", "mpeg4, B frames", "vp9"])
def test_wherever_it_is_cut_the_frames_are_those_that_ffmpeg_shows_without_the_garbage(name: str, cut: int) -> None:
    take, containers, _ = CUT[name]
    ext = containers.split()[cut % len(containers.split())]
    data = without_first(film(take, 40), ext, cut)
    shown = shown_by_ffmpeg(data)
    while shown[0] < 0 or (name.startswith("mpeg") and shown[0] % 12):
        del shown[0]
    assert facts_and_table(data, ext)[0].num_frames == len(shown)
    assert numbers_of(data, range(len(shown))) == shown


def test_a_rolling_refresh_shows_what_ffmpeg_shows() -> None:
    take = Take("libx264", "mkv", "preset=superfast g=25 x264-params=intra-refresh=1:scenecut=0")
    for cut in (0, 7, 30):
        data = without_first(film(take), "mkv", cut)
        shown = shown_by_ffmpeg(data)
        facts, table = facts_and_table(data, "mkv")
        assert facts.num_frames == len(shown) and numbers_of(data, range(len(shown))) == shown
        assert cut == 0 or not usable(table.without_marks(), len(data))


@pytest.mark.parametrize(("take", "ext"), [(H264, "mp4"), (H264, "ts"), (HEVC, "mkv"), (MPEG4, "avi"), (MPEG2, "mpg")])
def test_a_stream_without_a_key_frame_is_refused(take: Take, ext: str) -> None:
    data = remux(film(take), ext, lambda place: 1 <= place < 9)
    reason = r"none of its \d+ frames is a key frame" if ext != "mpg" else "no video stream"  # it has no header
    with pytest.raises(MediaError, match=reason):
        probe_table(data, f"x.{ext}")
    with pytest.raises(MediaError, match=reason):
        numbers_of(data, [0])


def test_a_container_that_calls_every_frame_a_key_frame_is_not_believed() -> None:
    data = without_first(film(Take("mpeg4", "mp4", "g=12")), "mp4", 7).replace(b"stss", b"free")
    facts, _ = facts_and_table(data, "mp4")
    assert facts.num_frames == 88 and numbers_of(data, [0, 50]) == [12, 62]


def test_the_clip_from_the_field_that_starts_between_key_frames() -> None:
    data = (FIELD / "head13.mp4").read_bytes()
    facts, table = facts_and_table(data, "mp4")
    assert (facts.num_frames, facts.duration, table.frames) == (75, pytest.approx(3.0), [0, 25, 50])
    for media in (data, PartialMedium.of_bytes(data, table)):
        assert numbers_of(media, range(75)) == list(range(25, 100))
        assert numbers_of(media, [74]) == [99]
    with pytest.raises(MediaError, match="frame 80 was planned but the stream ends after 75 frames"):
        numbers_of(data, [80])


def test_bars_can_be_read_off() -> None:
    assert all(number_on(picture(number)) == number for number in range(1 << 10))


H264, HEVC = Take("libx264", "mp4", _X264), Take("libx265", "mp4", _X265)
