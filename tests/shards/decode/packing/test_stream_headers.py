"""A stream whose frames change their size is turned away from DALI."""

from __future__ import annotations

import io
from collections.abc import Callable

import av
import pytest

from shards.decode.decoder import Unsuitable
from shards.decode.packing.remux import remux
from shards.media.videos.video import demux, open_video
from tests.shards.films import SEEKABLE, Film, shoot


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
    data = shoot(SEEKABLE["h264"])
    if length_bytes == 2:
        data = with_short_lengths(data)
    refused_if(is_refused, with_key_packet(data, units, length_bytes))


@pytest.mark.parametrize(("units", "is_refused"), [((b"\x40\x01x",), False), ((b"\x40\x01x", b"\x42\x01x"), True)])
def test_headers_of_hevc_are_found_as_well(units: tuple[bytes, ...], is_refused: bool) -> None:
    refused_if(is_refused, with_key_packet(shoot(SEEKABLE["hevc, open GOPs"]), units, 4))


def test_a_header_that_is_cut_off_is_one() -> None:
    data = shoot(SEEKABLE["h264"])
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
