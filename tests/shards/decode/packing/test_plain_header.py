"""Headers of H.264 and HEVC: which streams need no look at their frames, and headers that say the coded size."""

from __future__ import annotations

import io
from collections.abc import Callable

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.decode.packing.coded_size import Window
from shards.decode.packing.plain_header import plain_header
from tests.shards.decode.packing.test_coded_size import ENCODERS, FEW, extradata
from tests.shards.films import Film, shoot

CODECS = pytest.mark.parametrize("codec", sorted(ENCODERS))


@settings(max_examples=25)
@given(width=st.integers(17, 100), height=st.integers(17, 100))
def test_the_headers_say_the_whole_coded_picture(make_clip: Callable[..., bytes], width: int, height: int) -> None:
    check_whole(make_clip, "h264", (2 * height, 2 * width))


@pytest.mark.parametrize("size", [(250, 250), (242, 254), (360, 250), (250, 640), (64, 96)])
def test_so_do_those_of_hevc(make_clip: Callable[..., bytes], size: tuple[int, int]) -> None:
    check_whole(make_clip, "hevc", size)


def check_whole(make_clip: Callable[..., bytes], codec: str, size: tuple[int, int]) -> None:
    header = plain_header(codec, extradata(make_clip(FEW, size, ENCODERS[codec])))
    assert header is not None and header.window[3:] == size[::-1]
    again = plain_header(codec, header.headers)
    assert again is not None and again.window == Window(header.window.coded, 0, 0, *header.window.coded)
    assert again.headers == header.headers and again[1:3] == header[1:3]


def test_what_hevc_says_of_colours_is_read() -> None:
    for number, name in ((1, "bt709"), (9, "bt2020nc"), (6, "smpte170m")):
        options = f"preset=ultrafast x265-params=log-level=none:colormatrix={name}"
        header = plain_header("hevc", extradata(shoot(Film("libx265", options=options), FEW)))
        assert header is not None and header.colours == number


def test_what_h264_says_of_colours_is_read() -> None:
    for number, more in ((2, ""), (1, "colormatrix=bt709"), (5, "colormatrix=bt470bg:sar=4/3:fullrange=on")):
        options = "preset=ultrafast" + (f" x264-params={more}" if more else "")
        header = plain_header("h264", extradata(shoot(Film(options=options), FEW)))
        assert header is not None and header.colours == number


@pytest.mark.parametrize(
    "film",
    [
        Film(options="preset=superfast", pixels="yuv444p"),
        Film(options="preset=superfast", pixels="yuv420p10le"),
        Film(options="preset=superfast x264-params=interlaced=1"),
        Film("libx265", options="preset=ultrafast x265-params=log-level=none", pixels="yuv420p10le"),
        Film("libx265", options="preset=ultrafast x265-params=log-level=none", pixels="yuv422p"),
        Film(ext="ts", options="preset=ultrafast"),
    ],
    ids=str,
)
def test_other_frames_have_to_be_looked_at(film: Film) -> None:
    with av.open(io.BytesIO(shoot(film, FEW))) as container:
        context = container.streams.video[0].codec_context
        assert plain_header(context.codec.canonical_name, bytes(context.extradata or b"")) is None


@CODECS
@given(cut=st.integers(0, 80), change=st.integers(0, 79), by=st.integers(1, 255), random=st.binary(max_size=60))
def test_damaged_headers_are_no_plain_ones_or_say_a_size(
    make_clip: Callable[..., bytes], codec: str, cut: int, change: int, by: int, random: bytes
) -> None:
    whole = extradata(make_clip(FEW, (64, 96), ENCODERS[codec]))
    changed = bytearray(whole)
    changed[change % len(whole)] ^= by
    for headers in (whole[:cut], bytes(changed), random, b"\1" + random):
        header = plain_header(codec, headers)
        assert header is None or min(header.window[3:]) > 0
