"""Videos whose frames carry their number as ten bright bars, and what is cut out of them or put into other containers.

Bit 0 is at the left, in the upper half of 160x96 pixels; 25 frames per second.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np
from av import Packet, VideoFrame, VideoStream
from numpy.typing import NDArray

from shards.decode.cpu import decode
from shards.media.clip_plan import ClipPlan
from shards.media.medium import Media

WIDTH, HEIGHT, BITS = 160, 96, 10
FORMATS = {"mkv": "matroska", "ts": "mpegts", "mpg": "mpeg", "wmv": "asf"}
"""By extension, where FFmpeg's name is another one."""


class Take(NamedTuple):
    """How a video is encoded, and in which container."""

    codec: str
    ext: str
    options: str = ""
    pixels: str = "yuv420p"


def picture(number: int) -> NDArray[np.uint8]:
    """A frame with this number on it."""
    frame = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    for bit in range(BITS):
        frame[: HEIGHT // 2, bit * 16 : bit * 16 + 16] = 255 * (number >> bit & 1)
    at = 3 * number % (WIDTH - 20)
    frame[60:80, at : at + 20] = (200, 30, 90)
    return frame


def number_on(frame: NDArray[np.uint8]) -> int:
    """The number on a frame; -1 if its bars are neither bright nor dark."""
    levels = frame[8:40].mean(axis=(0, 2)).reshape(BITS, 16)[:, 4:12].mean(axis=1)
    if ((levels > 60) & (levels < 195)).any():
        return -1
    return sum(1 << bit for bit in range(BITS) if levels[bit] >= 195)


@lru_cache(maxsize=64)
def film(take: Take, num_frames: int = 100) -> bytes:
    """A whole video."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=FORMATS.get(take.ext, take.ext)) as container:
        stream = cast(VideoStream, container.add_stream(take.codec, rate=25))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, take.pixels
        stream.options = dict(option.split("=", 1) for option in take.options.split())
        stream.codec_context.thread_count = 1
        for number in range(num_frames):
            container.mux(stream.encode(VideoFrame.from_ndarray(picture(number), "rgb24")))
        container.mux(stream.encode(None))
    return out.getvalue()


def remux(
    data: bytes,
    ext: str,
    keep: Callable[[int], bool] = lambda place: True,
    change: Callable[[int, Packet], None] = lambda place, packet: None,
    **options: str,
) -> bytes:
    """The packets of a video, some of them and changed, in a container of this kind."""
    import av

    out = io.BytesIO()
    form = FORMATS.get(ext, ext)
    with av.open(io.BytesIO(data)) as source, av.open(out, "w", format=form, options=options) as container:
        stream = source.streams.video[0]
        copy = container.add_stream_from_template(stream, opaque=True)
        for place, packet in enumerate(packet for packet in source.demux(stream) if packet.size):
            if keep(place):
                change(place, packet)
                packet.stream = copy
                container.mux_one(packet)
    return out.getvalue()


def without_first(data: bytes, ext: str, num_packets: int) -> bytes:
    """What is left of a video when its first packets are missing."""
    return remux(data, ext, lambda place: place >= num_packets)


def frames_of(media: Media, numbers: Sequence[int]) -> NDArray[Any]:
    """These frames by our decoder, at their own size."""
    return decode(media, "video", ClipPlan(tuple(numbers), (HEIGHT, WIDTH), (0, 0, HEIGHT, WIDTH)))


def numbers_of(media: Media, numbers: Sequence[int]) -> list[int]:
    """What stands on these frames."""
    return [number_on(frame) for frame in frames_of(media, numbers)]


def shown_by_ffmpeg(data: bytes) -> list[int]:
    """What stands on the frames that FFmpeg gives, going on behind errors."""
    import av

    found: list[int] = []
    with av.open(io.BytesIO(data)) as container:
        for packet in container.demux(container.streams.video[0]):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            found += [number_on(cast(NDArray[np.uint8], frame.to_ndarray(format="rgb24"))) for frame in frames]
    return found
