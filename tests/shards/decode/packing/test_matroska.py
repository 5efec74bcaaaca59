"""Matroska files: FFmpeg finds what was written, and nothing but the size changes where that is said anew."""

from __future__ import annotations

import io
from collections.abc import Callable

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.decode.packing.matroska import TICKS, Packet, with_size, write


def written(clip: bytes) -> bytes:
    buffer = io.BytesIO()
    with (
        av.open(io.BytesIO(clip)) as source,
        av.open(buffer, "w", format="matroska", options={"write_crc32": "0"}) as out,
    ):
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream, opaque=True)
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = copy
                out.mux_one(packet)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(64, 96), (250, 250), (250, 300), (300, 250), (16, 254)])
@pytest.mark.parametrize("other", [(16, 16), (256, 256), (304, 256), (4096, 2160), (65535, 1)])
def test_the_size_is_another_one_and_all_else_is_as_it_was(
    make_clip: Callable[..., bytes], size: tuple[int, int], other: tuple[int, int]
) -> None:
    file = written(make_clip(3, size))
    changed = with_size(file, other)
    assert len(changed) == len(file)
    with av.open(io.BytesIO(file)) as before, av.open(io.BytesIO(changed)) as after:
        old, new = before.streams.video[0], after.streams.video[0]
        assert new.codec_context.extradata == old.codec_context.extradata
        packets = [[(p.pts, p.is_keyframe, bytes(p)) for p in c.demux(video=0) if p.size] for c in (before, after)]
        assert packets[0] == packets[1] and packets[0]
    width, height = (side.to_bytes(2, "big") for side in other)
    assert b"\x82" + width + b"\xba\x82" + height in changed[:1000] or b"\x40\x02" + width in changed[:1000]


def test_a_size_beyond_its_header_is_refused(make_clip: Callable[..., bytes]) -> None:
    with pytest.raises(ValueError, match="65536x16 is too large"):
        with_size(written(make_clip(1)), (65536, 16))


def test_a_file_without_room_is_refused(make_clip: Callable[..., bytes]) -> None:
    file = written(make_clip(1, (250, 250)))
    at = file.index(b"\xb0\x81\xfa\xba\x81\xfa")
    with pytest.raises(ValueError):
        with_size(file[: at - 1] + b"\x86" + file[at : at + 6], (256, 256))


@settings(max_examples=40)
@given(
    groups=st.lists(st.integers(1, 1300), min_size=1, max_size=4),
    size=st.tuples(st.integers(1, 16384), st.integers(1, 16384)),
    sizes=st.lists(st.sampled_from([1, 100, 117, 118, 119, 16383, 70000]), min_size=1, max_size=5),
)
def test_ffmpeg_finds_the_packets_that_were_written(
    make_clip: Callable[..., bytes], groups: list[int], size: tuple[int, int], sizes: list[int]
) -> None:
    with av.open(io.BytesIO(make_clip(1))) as container:
        headers = bytes(container.streams.video[0].codec_context.extradata or b"")
    packets, start = [], 0
    for length in groups:
        shown = [0, *(number ^ 1 if (number ^ 1) < length and number > 1 else number for number in range(1, length))]
        for place, number in enumerate(shown):
            # FFmpeg looks at the kind of the picture.
            unit = bytes([0x41 if place else 0x65]) + bytes([place % 256]) * sizes[place % len(sizes)]
            packets.append(Packet(start + number, place == 0, len(unit).to_bytes(4, "big") + unit))
        start += length
    assert sorted(packet.number for packet in packets) == list(range(start))
    file = write("h264", headers, size, packets)
    with av.open(io.BytesIO(file), options={"codec_whitelist": "none", "probesize": "32"}) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.extradata, stream.width, stream.height) == (headers, *size)
        found = [(one.pts, one.is_keyframe, bytes(one)) for one in container.demux(stream) if one.size]
        assert found == [(packet.number * TICKS, packet.is_key, packet.data) for packet in packets]
        for first in range(0, start, max(1, start // 3)):  # seeking leads to the key frame before
            container.seek(first * TICKS, stream=stream)
            key = next(one for one in container.demux(stream) if one.size)
            assert key.is_keyframe and (key.pts or 0) <= first * TICKS
