"""Seeking gives the frames of linear decoding, bit for bit, or stands back."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from av import VideoFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.counters import Counters
from shards.base.errors import MediaError, SourceError
from shards.decode.cpu import decode
from shards.decode.seek import NotAsIndexed, find_frames
from shards.media.clip_plan import ClipPlan
from shards.media.facts import KeyFrames
from shards.media.partial import COUNTS, FetchSizes, PartialMedium
from shards.media.probe import probe
from shards.media.spans import Span
from shards.media.videos.seekable import usable
from shards.media.videos.video import demux, open_video
from tests.shards.films import NUM_FRAMES, OTHERS, SEEKABLE, Store, gop_table, shoot

REPOSITORY = Path(__file__).resolve().parents[3]
SAMPLES = sorted((REPOSITORY / "samples" / "videos").glob("*.*"))


SMALL = FetchSizes(block=700, whole_share=2, before=0, header_bytes=300)
"""The test videos are small: what is near or large is so too."""


def fetched(data: bytes, table: KeyFrames, counts: Counters | None = None) -> PartialMedium:
    """A video of which parts are fetched."""
    return Store(data).medium(table, counts, SMALL)


def plan_of(*frames: int) -> ClipPlan:
    return ClipPlan(frames, (24, 32), (0, 0, 24, 32))


def outcome(media: bytes | PartialMedium, plan: ClipPlan) -> np.ndarray | str:
    try:
        return decode(media, "video", plan)
    except MediaError as error:
        return str(error)


def alike(one: np.ndarray | str, other: np.ndarray | str) -> bool:
    return one == other if isinstance(one, str) or isinstance(other, str) else np.array_equal(one, other)


FRAMES = st.lists(st.integers(0, NUM_FRAMES - 1), min_size=1, max_size=4)


@pytest.mark.parametrize("name", SEEKABLE)
def test_a_part_of_the_bytes_gives_the_same_frames(name: str) -> None:
    film = SEEKABLE[name]
    data = shoot(film)
    table = gop_table(data, film.ext)
    assert usable(table, len(data))

    @settings(max_examples=12)
    @given(frames=FRAMES)
    def check(frames: list[int]) -> None:
        counts = Counters(*COUNTS)
        clip = decode(fetched(data, table, counts), "video", plan_of(*frames))
        assert np.array_equal(clip, decode(data, "video", plan_of(*frames)))
        assert not counts.snapshot()["whole"]

    check()
    for number in (*table.frames[1:3], *(number - 1 for number in table.frames[1:3])):
        check.hypothesis.inner_test([number])  # the edges of GOPs


@pytest.mark.parametrize("name", OTHERS)
@settings(max_examples=6)
@given(frames=FRAMES)
def test_where_seeking_is_not_trusted_decoding_is_linear(name: str, frames: list[int]) -> None:
    film = OTHERS[name]
    data = shoot(film)
    table = gop_table(data, film.ext)
    assert alike(outcome(fetched(data, table), plan_of(*frames)), outcome(data, plan_of(*frames)))
    if max(frames) >= table.frames[1]:
        with pytest.raises((NotAsIndexed, MediaError)):
            list(find_frames(fetched(data, table), [max(frames)]))


def test_only_the_gops_of_the_clip_are_fetched() -> None:
    film = SEEKABLE["h264"]
    data = shoot(film, 600)
    table = gop_table(data, film.ext)
    store = Store(data)
    decode(store.medium(table, sizes=SMALL), "video", plan_of(75, 225, 375, 525))
    assert sum(store.given) < 0.25 * len(data) and len(store.requests) <= 2
    assert len(table.frames) == 50 and table.offsets[0] < 100  # the tables are behind the media


def test_decoding_skips_what_the_clip_does_not_need() -> None:
    data = shoot(SEEKABLE["h264"], 600)
    # frame 0; two key frames, the frames behind them, and what these refer to
    needed = {0, *range(60, 64), *range(540, 544)}
    damaged = bytearray(data)
    for at, (_, start, stop) in enumerate(packets_of(data)):
        if at not in needed:
            damaged[start:stop] = b"\xff" * (stop - start)
    plan = plan_of(61, 541)
    clip = decode(PartialMedium.of_bytes(bytes(damaged), gop_table(data, "mp4")), "video", plan)
    assert np.array_equal(clip, decode(data, "video", plan))
    with pytest.raises(MediaError):
        decode(bytes(damaged), "video", plan)


def test_pictures_that_no_other_refers_to_are_passed_over() -> None:
    data = shoot(SEEKABLE["h264"])  # one of three is such a picture; frame 34 is one
    table, plan = gop_table(data, "mp4"), plan_of(11, 34)
    passed_over, shown = bytearray(data), bytearray(data)
    num_damaged = 0
    for number, start, stop in packets_of(data):
        is_unreferenced = data[start + 4] >> 5 & 3 == 0 and data[start + 4] & 31 == 1  # behind the length of the unit
        if is_unreferenced:
            some = shown if number == 34 else passed_over
            some[start + 5 : stop] = b"\xff" * (stop - start - 5)
            num_damaged += number < 36
    assert num_damaged == 12
    expected = decode(data, "video", plan)
    assert np.array_equal(decode(PartialMedium.of_bytes(bytes(passed_over), table), "video", plan), expected)
    with pytest.raises(MediaError):
        decode(PartialMedium.of_bytes(bytes(shown), table), "video", plan)


def packets_of(data: bytes) -> list[tuple[int, int, int]]:
    """(number of its frame, first byte, byte behind the last) of each packet, in the order of decoding."""
    with open_video(data) as (container, stream):
        found = [(packet.pts, packet.pos, packet.size) for packet in demux(container, stream) if packet.size]
    times = sorted(pts for pts, _, _ in found)
    return [(times.index(pts), pos, pos + size) for pts, pos, size in found]


# ------------------------------------------------------------ tables that lie


@st.composite
def lies(draw: st.DrawFn, table: KeyFrames, size: int) -> KeyFrames:
    """A table with some entries changed, left out or moved by one place."""
    columns = [list(column) for column in table]
    for _ in range(draw(st.integers(1, 3))):
        number = draw(st.integers(0, 2))
        column = columns[number]
        at = draw(st.integers(0, len(column) - 1))
        step = draw(st.integers(-3, 3)) * (0.04 if number == 1 else 1)
        far = draw(st.floats() if number == 1 else st.integers(-1 << 40, 1 << 40))
        value = draw(st.sampled_from([column[at] + step, draw(st.sampled_from(column)), far, size - 1]))
        if draw(st.booleans()):
            column[at] = value
        elif len(column) > 2:
            for entries in columns if draw(st.booleans()) else [column]:
                del entries[at : at + 1]
    return KeyFrames(*columns)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["h264, open GOPs", "h264, variable rate", "h264 in mkv, open GOPs", "vp9, hidden frames"]
)
def test_a_table_that_lies_gives_no_wrong_frame(name: str) -> None:
    film = SEEKABLE[name]
    data = shoot(film)

    @settings(max_examples=40)
    @given(table=lies(gop_table(data, film.ext), len(data)), frames=FRAMES)
    def check(table: KeyFrames, frames: list[int]) -> None:
        if usable(table, len(data)):
            assert alike(outcome(fetched(data, table), plan_of(*frames)), outcome(data, plan_of(*frames)))

    check()


@pytest.mark.parametrize("frames", [(5, 6), (6,), (5,), (9,)])
def test_two_frames_at_one_time_are_told_apart(frames: tuple[int, ...]) -> None:
    data = _twice_the_same_time(5)
    table = gop_table(data, "mp4")
    assert usable(table, len(data)) and len(table.frames) == 3
    clip = decode(PartialMedium.of_bytes(data, table), "video", plan_of(*frames))
    assert np.array_equal(clip, decode(data, "video", plan_of(*frames)))
    assert len({int(frame.mean()) for frame in clip}) == len(frames)


def _twice_the_same_time(number: int) -> bytes:
    """30 frames of rising brightness, a key frame every 10; the frame behind this one is shown at the same time."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "10", "bf": "0", "sc_threshold": "0"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        packets = []
        for at in range(30):
            packets += stream.encode(VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * at, np.uint8), "rgb24"))
        packets += stream.encode(None)
        tick = packets[1].dts - packets[0].dts
        for at, packet in enumerate(packets):
            packet.pts = (at - (at == number + 1)) * tick
            packet.dts = (at - 1) * tick
            container.mux(packet)
    return out.getvalue()


@pytest.mark.parametrize("time", [-(2.0**30), -1.0, 3.98, 1e9])
def test_times_that_are_far_off_are_found_out(time: float) -> None:
    for name in ("h264", "vp9, hidden frames"):
        data = shoot(SEEKABLE[name])
        table = gop_table(data, SEEKABLE[name].ext)
        at = 0 if time < 0 else -1
        times = [*table.times]
        times[at] = time
        assert usable(table._replace(times=times), len(data))
        number = table.frames[at] + 1
        medium = fetched(data, table._replace(times=times))
        assert alike(outcome(medium, plan_of(number)), outcome(data, plan_of(number)))


def test_numbers_that_are_all_too_large_by_one_are_found_out() -> None:
    for name in ("h264", "h264 in mkv, open GOPs"):
        data = shoot(SEEKABLE[name])
        table = gop_table(data, SEEKABLE[name].ext)
        moved = table._replace(frames=[number + (number > 0) for number in table.frames])
        with pytest.raises(NotAsIndexed, match=r"number of a key frame|frame rate"):
            list(find_frames(fetched(data, moved), [50]))


@pytest.mark.parametrize("name", ["hevc, open GOPs", "mpeg4"])
def test_key_frames_that_are_none_are_found_out(name: str) -> None:
    film = SEEKABLE[name]
    data = shoot(film).replace(b"stss", b"free")  # without this table every frame passes for one
    table = gop_table(data, film.ext)
    assert len(table.frames) == NUM_FRAMES
    for number in (5, 17, 50, 83):
        medium = PartialMedium.of_bytes(data, table)
        assert alike(outcome(medium, plan_of(number)), outcome(data, plan_of(number)))


def test_a_frame_behind_the_end_is_the_same_error() -> None:
    data = shoot(SEEKABLE["h264"])
    with pytest.raises(MediaError, match=r"frame 500 was planned but the stream ends after 110 frames"):
        decode(fetched(data, gop_table(data, "mp4")), "video", plan_of(3, 500))


def test_a_damaged_part_that_is_needed_is_the_same_error() -> None:
    film = SEEKABLE["vp8, hidden frames"]
    table = gop_table(shoot(film), film.ext)
    data = bytearray(shoot(film))
    start = table.offsets[3] + 20
    data[start : table.offsets[5]] = bytes(table.offsets[5] - start)
    for frames in ((table.frames[3] + 5,), (2, table.frames[4])):
        found = outcome(fetched(bytes(data), table), plan_of(*frames))
        assert alike(found, outcome(bytes(data), plan_of(*frames)))


@pytest.mark.parametrize("request_number", range(3))
def test_a_store_that_fails_is_no_fault_of_the_video(request_number: int) -> None:
    data = shoot(SEEKABLE["vp9, hidden frames"], 300)
    store = Store(data)
    table = gop_table(data, "webm")

    def fetch(spans: Sequence[Span]) -> list[bytes]:
        if len(store.requests) == request_number:
            raise SourceError("memory://x/000.tar: cannot be read")
        return store.fetch([(start, min(stop, start + 400)) for start, stop in spans[:1]])

    medium = PartialMedium(len(data), table, fetch, sizes=SMALL)
    medium.bring = lambda frames: None  # type: ignore[method-assign]
    with pytest.raises(SourceError, match=re.escape("memory://x/000.tar: cannot be read")):
        decode(medium, "video", plan_of(100, 250))


# ------------------------------------------------------------ real files


def compare(path: Path) -> int:
    """Clips of one file, in part and whole; how many were not fetched whole in the end."""
    data = path.read_bytes()
    try:
        num_frames = probe(data, path.name).num_frames
    except MediaError:
        return 0
    table = gop_table(data, path.name.rsplit(".", 1)[-1].lower())
    if not usable(table, len(data)) or len(table.frames) < 2:
        return 0
    rng = np.random.default_rng(0)
    plans = [tuple((2 * i + 1) * num_frames // 8 for i in range(4)), (num_frames - 1,), (table.frames[1] - 1,)]
    plans += [tuple(rng.integers(0, num_frames, 2).tolist()) for _ in range(2)]
    counts = Counters(*COUNTS)
    every = sorted({number for frames in plans for number in frames})
    linear = outcome(data, plan_of(*every))  # once for all plans, where all of them can be decoded
    for frames in plans:
        plan = plan_of(*frames)
        expected = outcome(data, plan) if isinstance(linear, str) else linear[np.searchsorted(every, frames)]
        assert alike(outcome(fetched(data, table, counts), plan), expected), (path.name, frames)
    return len(plans) - counts.snapshot()["whole"]


@pytest.mark.skipif(not SAMPLES, reason="samples/videos is empty")
def test_real_files_give_the_same_frames() -> None:
    assert sum(map(compare, SAMPLES[::2])) > 5


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_file_of_the_corpus_gives_the_same_frames(corpus: Path) -> None:
    paths = [path for folder in ("videos", "videos_odd") for path in sorted((corpus / folder).iterdir())]
    assert sum(map(compare, paths)) > 200
