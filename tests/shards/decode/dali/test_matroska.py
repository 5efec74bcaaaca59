"""Another size in the header of a Matroska file: nothing else of it changes."""

from __future__ import annotations

import io
from collections.abc import Callable

import av
import pytest

from shards.decode.dali.matroska import with_size


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
