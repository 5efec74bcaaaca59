"""A remuxed video shows what linear decoding shows, under the same numbers; what DALI gets wrong is turned away."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av import Packet
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.decode.cpu import decode
from shards.decode.remux import GPU_CODECS, remux
from shards.decode.unsuitable import Unsuitable
from shards.media.clip_plan import ClipPlan
from shards.media.probe import probe
from shards.media.videos.video import demux, open_video
from tests.shards.bars import Take, film, without_first
from tests.shards.bars import remux as remux_packets
from tests.shards.decode.twins import MEDIA, is_video
from tests.shards.films import NUM_FRAMES, OTHERS, SEEKABLE, Film, shoot

SIZE = (24, 32)


def show(data: bytes, *frames: int) -> np.ndarray:
    return decode(data, "video", ClipPlan(frames, SIZE, (0, 0, *SIZE)))


FILMS = SEEKABLE | OTHERS
KEPT_FROM_DALI = {
    "h264, 4:4:4": "pixel format",
    "h264, GOPs of 3": "",
    "rolling refresh": "",
}


@pytest.mark.parametrize("name", [name for name in FILMS if not KEPT_FROM_DALI.get(name)])
def test_a_remuxed_video_has_the_same_frames_under_the_same_numbers(name: str) -> None:
    data = shoot(FILMS[name])
    wanted = (0, 1, 37, NUM_FRAMES - 1, 60, 60)
    if name == "mpeg4":  # whose GOPs are open: two frames before each key frame are stored behind it
        wanted = (0, 3, 36, NUM_FRAMES - 1, 60, 60)
    remuxed = remux(data, wanted, True)
    assert np.array_equal(show(remuxed.data, *remuxed.frames), show(data, *wanted))


@settings(max_examples=25)
@given(
    name=st.sampled_from(["h264, open GOPs", "hevc, open GOPs", "mpeg4", "vp9, hidden frames", "av1"]),
    wanted=st.lists(st.integers(0, NUM_FRAMES - 1), min_size=1, max_size=4),
)
def test_any_plan_finds_its_frames_or_is_turned_away_for_an_open_gop(name: str, wanted: list[int]) -> None:
    data = shoot(FILMS[name])
    try:
        remuxed = remux(data, wanted, True)
    except Unsuitable as unsuitable:
        assert unsuitable.reason == "open GOP" and name in ("hevc, open GOPs", "mpeg4")
        return
    assert np.array_equal(show(remuxed.data, *remuxed.frames), show(data, *wanted))


@pytest.mark.parametrize("path", [path for path in MEDIA if is_video(path)], ids=lambda path: path.name)
def test_real_videos_keep_their_frames_and_their_size(path: Path) -> None:
    data = path.read_bytes()
    facts = probe(data, path.name)
    wanted = (0, facts.num_frames // 3)
    try:
        remuxed = remux(data, wanted, True)
    except Unsuitable as unsuitable:
        reasons = ("codec", "pixel format", "rotation", "odd size", "hidden frames", "time stamps")
        assert unsuitable.reason in reasons and (facts.codec not in GPU_CODECS) == (unsuitable.reason == "codec")
        return
    again = probe(remuxed.data, "x.mkv")
    assert (again.codec, again.width, again.height) == (facts.codec, facts.width, facts.height)
    if facts.codec != "mpeg4":  # FFmpeg calculates otherwise for AVI files that name XviD
        assert np.array_equal(show(remuxed.data, *remuxed.frames), show(data, *wanted))


@pytest.mark.parametrize("name", [name for name, reason in KEPT_FROM_DALI.items() if reason])
def test_what_a_gpu_would_show_wrong_is_turned_away(name: str) -> None:
    with pytest.raises(Unsuitable, match=KEPT_FROM_DALI[name]):
        remux(shoot(FILMS[name]), (0,), True)


def test_frames_that_are_never_shown_are_not_counted_as_dali_would(make_clip: Callable[..., bytes]) -> None:
    data = make_clip(5, codec="libvpx")
    with open_video(data) as (container, stream):
        packets = [bytes(packet) for packet in demux(container, stream) if packet.size]
    hidden = bytes((packets[3][0] & ~0x10, *packets[3][1:]))
    with pytest.raises(Unsuitable, match="hidden frames"):
        remux(data.replace(packets[3], hidden), (0,), False)


def test_a_rotated_video_is_turned_away(make_clip: Callable[..., bytes]) -> None:
    with pytest.raises(Unsuitable, match="rotation"):
        remux(make_clip(3, rotation=90), (0,), True)


def test_odd_sizes_are_turned_away_on_a_gpu_only(make_clip: Callable[..., bytes]) -> None:
    data = make_clip(3, (33, 47), "libvpx-vp9")
    with pytest.raises(Unsuitable, match="odd size: 47x33"):
        remux(data, (0,), True)
    assert remux(data, (0,), False).frames == (0,)


def test_a_frame_behind_the_end_is_not_asked_for(make_clip: Callable[..., bytes]) -> None:
    data = make_clip(40, codec="libvpx-vp9")
    with pytest.raises(Unsuitable, match="short: frame 40 of 40"):
        remux(data, (0, 40), False)
    with pytest.raises(Unsuitable, match=r"short: frame 39 of \d+|damaged"):
        remux(data[: len(data) // 2], (0, 39), False)


def test_codecs_of_the_cpu_operators_are_fewer() -> None:
    with pytest.raises(Unsuitable, match="codec: h264"):
        remux(shoot(Film(options="preset=ultrafast")), (0,), False)


def test_bytes_that_are_no_video_are_unsuitable() -> None:
    for data in (b"", b"<html>", bytes(5000)):
        with pytest.raises(Unsuitable, match="damaged: not a video"):
            remux(data, (0,), True)


# ------------------------------------------------------------ sizes that change


def _join(first: bytes, second: bytes, form: str) -> bytes:
    """One stream with the packets of two videos."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as out:
        copy, number = None, 0
        for data in (first, second):
            with av.open(io.BytesIO(data)) as container:
                stream = container.streams.video[0]
                copy = copy or out.add_stream_from_template(stream, opaque=True)
                for packet in container.demux(stream):
                    if packet.size:
                        packet.stream, packet.pts, packet.dts = copy, number * 40, number * 40
                        packet.time_base = copy.time_base
                        out.mux(packet)
                        number += 1
    return buffer.getvalue()


@pytest.mark.parametrize(("codec", "form"), [("libvpx", "webm"), ("libvpx-vp9", "webm"), ("mjpeg", "avi")])
def test_a_stream_that_changes_its_size_is_turned_away(make_clip: Callable[..., bytes], codec: str, form: str) -> None:
    first, second = make_clip(5, (64, 96), codec), make_clip(5, (128, 192), codec)
    with pytest.raises(Unsuitable, match=r"size: changes from \(96, 64\) to \(192, 128\)"):
        remux(_join(first, second, form), (0,), False)


def test_a_stream_that_changes_its_headers_is_turned_away() -> None:
    film = Film(ext="ts", options="preset=ultrafast bf=0")
    first, second = (shoot(film, 5, size) for size in ((64, 96), (128, 192)))
    assert remux(_join(first, first, "avi"), (0, 9), True).frames == (0, 9)
    with pytest.raises(Unsuitable, match="size: the stream's headers change"):
        remux(_join(first, second, "avi"), (0,), True)


def test_a_container_that_lies_about_the_size_is_turned_away(make_clip: Callable[..., bytes]) -> None:
    data = make_clip(5, (64, 96), "libvpx")
    at = data.index(b"\xb0\x81\x60")  # PixelWidth, one byte: 96
    with pytest.raises(Unsuitable, match=r"size: the container says 48x64, the first frame is \(96, 64\)"):
        remux(data[: at + 2] + b"\x30" + data[at + 3 :], (0,), False)


def _bits(*fields: tuple[int, int]) -> bytes:
    """(value, number of bits) one after the other, zeros behind."""
    text = "".join(f"{value:0{count}b}" for value, count in fields)
    return int(text.ljust(8 * 32, "0"), 2).to_bytes(32, "big")


_SIZE_BITS = ((640 - 1, 16), (360 - 1, 16))


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (((2, 2), (0, 2), (0, 1), (0, 1), (1, 1), (0, 1), (0x498342, 24), (2, 3), (0, 1), *_SIZE_BITS), (640, 360)),
        # a larger bit depth (profile 2)
        (
            ((2, 2), (1, 2), (0, 1), (0, 1), (1, 1), (0, 1), (0x498342, 24), (0, 1), (2, 3), (0, 1), *_SIZE_BITS),
            (640, 360),
        ),
        # intra only
        (
            ((2, 2), (0, 2), (0, 1), (1, 1), (0, 1), (0, 1), (1, 1), (0, 2), (0x498342, 24), (1, 8), *_SIZE_BITS),
            (640, 360),
        ),
        # from three references, none of which has its size
        (((2, 2), (0, 2), (0, 1), (1, 1), (1, 1), (0, 1), (0, 2), (1, 8), (0, 12), (0, 3), *_SIZE_BITS), (640, 360)),
        # as large as the second reference
        (((2, 2), (0, 2), (0, 1), (1, 1), (1, 1), (0, 1), (0, 2), (1, 8), (0, 12), (1, 2), *_SIZE_BITS), None),
        # shows an earlier frame
        (((2, 2), (0, 2), (1, 1), (0, 3)), None),
    ],
)
def test_the_size_in_a_vp9_header(
    make_clip: Callable[..., bytes], header: tuple[tuple[int, int], ...], size: tuple[int, int] | None
) -> None:
    data, (_, packet, *_) = vp9(make_clip)
    data = data.replace(packet, _bits(*header).ljust(len(packet), b"\0"))
    if size is None:
        assert remux(data, (0, 4), False).frames == (0, 4)
        return
    with pytest.raises(Unsuitable, match=re.escape(f"size: changes from (96, 64) to {size}")):
        remux(data, (0,), False)


def vp9(make_clip: Callable[..., bytes]) -> tuple[bytes, list[bytes]]:
    """A VP9 video of 96x64 and its packets."""
    data = make_clip(5, (64, 96), "libvpx-vp9")
    with open_video(data) as (container, stream):
        return data, [bytes(packet) for packet in demux(container, stream) if packet.size]


KEY = ((2, 2), (0, 2), (0, 1), (0, 1), (1, 1), (0, 1), (0x498342, 24), (2, 3), (0, 1))
"""A VP9 key frame up to its size."""


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (_bits(*KEY, (95, 16), (63, 16)), None),
        (_bits(*KEY, *_SIZE_BITS), r"size: changes from \(96, 64\) to \(640, 360\)"),
        (bytes(20), "damaged: a frame has no header: not a VP9 frame"),
        (_bits(*KEY, *_SIZE_BITS)[:5], "damaged: a frame has no header: the header is cut off"),
    ],
)
def test_every_frame_of_a_vp9_packet_is_looked_at(
    make_clip: Callable[..., bytes], frame: bytes, reason: str | None, is_first: bool
) -> None:
    data, (_, packet, *_) = vp9(make_clip)
    harmless = _bits(*KEY, (95, 16), (63, 16)).ljust(len(packet) - 4 - len(frame), b"\0")
    both = (frame, harmless) if is_first else (harmless, frame)
    marker = 0b110_00_001  # two frames, one byte for the size of each
    joined = b"".join(both) + bytes((marker, *map(len, both), marker))
    assert len(joined) == len(packet)
    data = data.replace(packet, joined)
    if reason is None:
        assert remux(data, (0, 4), False).frames == (0, 4)
        return
    with pytest.raises(Unsuitable, match=reason):
        remux(data, (0,), False)


def in_units(data: bytes, size: int, *units: bytes, length_bytes: int = 4) -> bytes:
    """A packet of this size in units with their lengths in front, the last filled up with zeros."""
    used = sum(length_bytes + len(unit) for unit in units)
    assert used <= size, data
    *units, last = units
    units = [*units, last + bytes(size - used)]
    return b"".join(len(unit).to_bytes(length_bytes, "big") + unit for unit in units)


def with_short_lengths(mp4: bytes) -> bytes:
    """The same H.264 video with lengths of two bytes, not four, in front of its units."""
    out = bytearray(mp4)
    with open_video(mp4) as (container, stream):
        places = [(packet.pos, packet.size) for packet in demux(container, stream) if packet.size]
    for pos, size in places:
        units, at = [], pos
        while at < pos + size:
            length = int.from_bytes(mp4[at : at + 4], "big")
            units.append(mp4[at + 4 : at + 4 + length])
            at += 4 + length
        out[pos : pos + size] = in_units(mp4, size, *units, length_bytes=2)
    out[mp4.index(b"avcC") + 8] = 0xFD
    return bytes(out)


@pytest.mark.parametrize(
    ("units", "is_refused"),
    [
        ((b"\x68pps", b"\x65slice"), False),
        ((b"\x67sps", b"\x68pps", b"\x65slice"), True),
        ((b"\x68pps", b"\x65slice", b"\x67sps"), True),
        ((b"\x68pps", b"\x27sps", b"\x65slice"), True),
    ],
)
@pytest.mark.parametrize("length_bytes", [2, 4])
def test_headers_are_found_among_units_with_their_lengths_in_front(
    units: tuple[bytes, ...], is_refused: bool, length_bytes: int
) -> None:
    data = shoot(FILMS["h264"])
    if length_bytes == 2:
        data = with_short_lengths(data)
    refused_if(is_refused, with_key_packet(data, units, length_bytes))


@pytest.mark.parametrize(("units", "is_refused"), [((b"\x40\x01x",), False), ((b"\x40\x01x", b"\x42\x01x"), True)])
def test_headers_of_hevc_are_found_as_well(units: tuple[bytes, ...], is_refused: bool) -> None:
    refused_if(is_refused, with_key_packet(shoot(FILMS["hevc, open GOPs"]), units, 4))


def test_a_header_that_is_cut_off_is_one() -> None:
    data = shoot(FILMS["h264"])
    refused_if(True, with_key_packet(data, (b"\x68pps", b"\x65slice", b"\x67sps"), 4, claims=1 << 20))


def with_key_packet(data: bytes, units: tuple[bytes, ...], length_bytes: int, claims: int | None = None) -> bytes:
    """The video with other units in its second key frame, whose last may claim to be longer than it is."""
    with open_video(data) as (container, stream):
        keys = [(p.pos, p.size) for p in demux(container, stream) if p.size and p.is_keyframe]
    pos, size = keys[1]
    packet = in_units(data, size, *units, length_bytes=length_bytes)
    if claims is not None:
        at = sum(length_bytes + len(unit) for unit in units[:-1])
        packet = packet[:at] + claims.to_bytes(length_bytes, "big") + packet[at + length_bytes :]
    return data[:pos] + packet + data[pos + size :]


def refused_if(is_refused: bool, data: bytes) -> None:
    if is_refused:
        with pytest.raises(Unsuitable, match="size: the stream's headers are not the container's"):
            remux(data, (0,), True)
    else:
        assert remux(data, (0,), True).frames == (0,)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    av.logging.set_level(av.logging.PANIC)
    yield


def test_a_joined_stream_is_left_to_the_cpu_also_where_no_time_comes_twice() -> None:
    take = Take("libx264", "ts", "preset=ultrafast g=25 bf=0")

    def later(place: int, packet: Packet) -> None:
        packet.pts, packet.dts = packet.pts + 1800, packet.dts + 1800

    second = remux_packets(film(take, 30), "ts", change=later, mpegts_copyts="1")
    with pytest.raises(Unsuitable, match=r"time stamps|damaged"):
        remux(film(take, 60) + second, [0, 70], gpu=True)


def test_a_stream_that_starts_between_key_frames_is_left_to_the_cpu() -> None:
    for take in (Take("libx264", "mp4", "preset=ultrafast g=25 bf=2"), Take("mpeg4", "mp4", "g=12")):
        data = without_first(film(take), "mp4", 7).replace(b"stss", b"free")
        with pytest.raises(Unsuitable, match=r"open GOP|hidden frames"):
            remux(data, [0, 7], gpu=True)
