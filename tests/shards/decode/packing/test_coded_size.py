"""The sizes in the headers of H.264 and HEVC: what is coded, and what of it is shown."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress

import av
import pytest
from av import BitStreamFilterContext
from hypothesis import given
from hypothesis import strategies as st

from shards.decode.packing.coded_size import Window, shown_window

CODECS = pytest.mark.parametrize("codec", ["h264", "hevc"])
ENCODERS = {"h264": "libx264", "hevc": "libx265"}
FEW = 4
"""Frames; of fewer x265 gives FFmpeg headers that it now and then refuses to write into an MP4."""


def extradata(video: bytes) -> bytes:
    """The headers of a video as its container has them."""
    with av.open(io.BytesIO(video)) as container:
        return bytes(container.streams.video[0].codec_context.extradata or b"")


def cut(video: bytes, window: str) -> bytes:
    """A video of start codes (MPEG-TS) that shows another window. window: options of the filter that says it."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(video)) as container, av.open(buffer, "w", format="mpegts") as out:
        stream = container.streams.video[0]
        copy = out.add_stream_from_template(stream, opaque=True)
        changed = BitStreamFilterContext(
            f"{stream.codec_context.codec.canonical_name}_metadata={window},dump_extra", copy, copy
        )
        for packet in container.demux(stream):
            for one in changed.filter(packet) if packet.size else ():
                one.stream = copy
                out.mux_one(one)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "coded"),
    [((360, 640), (640, 368)), ((270, 480), (480, 272)), ((320, 568), (576, 320)), ((250, 250), (256, 256))],
)
def test_h264_is_coded_in_blocks_of_16(
    make_clip: Callable[..., bytes], size: tuple[int, int], coded: tuple[int, int]
) -> None:
    assert shown_window("h264", extradata(make_clip(FEW, size))) == Window(coded, 0, 0, size[1], size[0])


def test_hevc_is_coded_in_blocks_of_8(make_clip: Callable[..., bytes]) -> None:
    assert shown_window("hevc", extradata(make_clip(FEW, (270, 484), "libx265"))) == Window((488, 272), 0, 0, 484, 270)


@CODECS
def test_a_window_may_begin_anywhere(make_clip: Callable[..., bytes], codec: str) -> None:
    video = cut(make_clip(9, (64, 96), ENCODERS[codec]), "crop_left=8:crop_top=4:crop_right=6:crop_bottom=10")
    assert shown_window(codec, extradata(video)) == Window((96, 64), 8, 4, 82, 50)


@CODECS
@given(cut=st.integers(0, 80), change=st.integers(0, 79), by=st.integers(1, 255), random=st.binary(max_size=60))
def test_damaged_headers_are_refused_or_say_a_size(
    make_clip: Callable[..., bytes], codec: str, cut: int, change: int, by: int, random: bytes
) -> None:
    whole = extradata(make_clip(FEW, (64, 96), ENCODERS[codec]))
    changed = bytearray(whole)
    changed[change % len(whole)] ^= by
    for headers in (whole[:cut], bytes(changed), random, b"\1" + random, b"\0\0\1" + random):
        try:
            window = shown_window(codec, headers)
        except ValueError:
            continue
        assert window.width > 0 and window.height > 0
        assert window.left + window.width <= window.coded[0] and window.top + window.height <= window.coded[1]


def test_a_header_without_end_is_looked_at_for_a_while_only() -> None:
    """Each of its bits would be taken from a number of millions of digits."""
    head = b"\0\0\1\x67\x42\0\x1e"
    for rest in (b"\x01", b"\xff", b"\xe5\xff"):
        with suppress(ValueError):  # some are headers
            shown_window("h264", head + rest * 10_000_000)
