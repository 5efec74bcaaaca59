"""Sizes in the headers of frames are read to the bit."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from shards.decode.decoder import Unsuitable
from shards.decode.packing.remux import remux
from shards.media.videos.video import demux, open_video


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
