"""Linear decoding goes as far as the last planned frame; what is missing is told with both numbers."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest

from shards.base.errors import MediaError
from shards.decode.cpu import decode
from shards.media.videos.video import demux, open_video
from tests.shards.decode.plans import SIZE, whole
from tests.shards.films import OTHERS, shoot


@pytest.mark.parametrize("form", ["mjpeg", "h264"])
def test_decoding_stops_at_the_last_planned_frame(make_clip: Callable[..., bytes], form: str) -> None:
    data = make_clip(200, SIZE, "mjpeg") if form == "mjpeg" else shoot(OTHERS["fragments"], 200)
    damaged = bytearray(data)
    with open_video(data) as (container, stream):
        packets = [(packet.pos, packet.size) for packet in demux(container, stream) if packet.size]
    for pos, size in packets[19:]:
        damaged[pos : pos + size] = b"\xff" * size
    assert np.array_equal(decode(bytes(damaged), "video", whole(0, 5)), decode(data, "video", whole(0, 5)))
    with pytest.raises(MediaError, match="frame 150 was planned but decoding fails after 1"):
        decode(bytes(damaged), "video", whole(0, 150))


def test_a_frame_behind_the_end_names_both_numbers(make_clip: Callable[..., bytes]) -> None:
    with pytest.raises(
        MediaError, match=r"^frame 57 was planned but the stream ends after 18 frames \(header said 18\)$"
    ):
        decode(make_clip(18), "video", whole(3, 57))


@pytest.mark.parametrize(("header", "tolerated"), [(20, 2), (100, 2), (200, 4)])
def test_the_last_frame_stands_in_for_the_few_that_a_container_promised_too_much(
    make_clip: Callable[..., bytes], read_number: Callable[[np.ndarray], int], header: int, tolerated: int
) -> None:
    def promising(num_frames: int) -> bytes:
        """An AVI file of so many frames whose header says more."""
        avi = bytearray(make_clip(num_frames, SIZE, "mjpeg"))
        length = avi.index(b"strh") + 8 + 32
        assert struct.unpack_from("<I", avi, length) == (num_frames,)
        struct.pack_into("<I", avi, length, header)
        return bytes(avi)

    last = header - 1
    clip = decode(promising(header - tolerated), "video", whole(0, last))
    assert list(map(read_number, clip)) == [0, header - tolerated - 1]
    short = header - tolerated - 1
    with pytest.raises(
        MediaError, match=rf"frame {last} was planned but the stream ends after {short} frames \(header said {header}\)"
    ):
        decode(promising(short), "video", whole(0, last))


def test_a_damaged_stream_gives_frames_before_the_damage_and_media_error_behind_it(
    make_clip: Callable[..., bytes], read_number: Callable[[np.ndarray], int]
) -> None:
    whole_file = make_clip(120, (96, 128), "libvpx")
    media = bytearray(whole_file)
    middle = len(media) * 3 // 5
    media[middle:] = np.random.default_rng(0).bytes(len(media) - middle)
    assert list(map(read_number, decode(bytes(media), "video", whole(0, 5, size=(96, 128))))) == [0, 5]
    with pytest.raises(MediaError, match="frame 119 was planned but"):
        decode(bytes(media), "video", whole(0, 119, size=(96, 128)))
