"""Videos of many codecs, containers and GOP structures, and their GOP tables as an index has them."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shards.base.counters import Counters
from shards.media.facts import KeyFrames
from shards.media.partial import FETCH_SIZES, FetchSizes, PartialMedium
from shards.media.probe import probe_key_frames
from shards.media.spans import Span

NUM_FRAMES, SIZE = 110, (48, 64)


class Film(NamedTuple):
    """How a video is made."""

    codec: str = "libx264"
    ext: str = "mp4"
    options: str = ""
    container: str = ""
    pixels: str = "yuv420p"
    variable: bool = False
    """Whether frames last unequally long."""


_X264 = "preset=ultrafast g=12 bf=2"
SEEKABLE = {
    "h264": Film(options=_X264),
    "h264, open GOPs": Film(options="preset=superfast g=12 bf=3 x264-params=open-gop=1:scenecut=0"),
    "h264, GOPs of 3": Film(options="preset=superfast g=3 bf=3 x264-params=open-gop=1:b-pyramid=2"),
    "h264, tables in front": Film(options=_X264, container="movflags=faststart"),
    "h264, variable rate": Film(options=_X264, variable=True),
    "h264, 4:4:4": Film(options="preset=superfast g=12 bf=2", pixels="yuv444p"),
    "h264 in mov": Film(options=_X264, ext="mov"),
    "h264 in mkv, open GOPs": Film(options="preset=superfast g=12 bf=3 x264-params=open-gop=1", ext="mkv"),
    "hevc, open GOPs": Film("libx265", options="preset=ultrafast x265-params=keyint=12:open-gop=1:log-level=none"),
    "hevc in mkv": Film("libx265", "mkv", "preset=ultrafast x265-params=keyint=12:log-level=none"),
    "mpeg4": Film("mpeg4", options="g=12 bf=2"),
    "vp8, hidden frames": Film("libvpx", "webm", "g=12 cpu-used=8 deadline=good auto-alt-ref=1 lag-in-frames=8"),
    "vp9, hidden frames": Film("libvpx-vp9", "webm", "g=12 cpu-used=8 deadline=good auto-alt-ref=1 lag-in-frames=8"),
    "vp9 in mp4": Film("libvpx-vp9", "mp4", "g=12 cpu-used=8 deadline=realtime"),
    "av1": Film("libsvtav1", "mp4", "g=12 preset=13 svtav1-params=lp=1"),  # its threads once gave packets out of order
}
"""Videos in which seeking is trusted."""
OTHERS = {
    "fragments": Film(options=_X264, container="movflags=frag_keyframe+empty_moov"),
    "rolling refresh": Film(options="preset=superfast g=12 x264-params=intra-refresh=1:scenecut=0"),
    "variable rate in mkv": Film(options=_X264, ext="mkv", variable=True),
    "avi": Film("mpeg4", "avi", "g=12"),
    "transport stream": Film(ext="ts", options=_X264),
}


@lru_cache(maxsize=64)
def shoot(film: Film, num_frames: int = NUM_FRAMES, size: tuple[int, int] = SIZE) -> bytes:
    """A video file; noise moves through its frames, so that all of them differ."""
    import av

    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (*size, 3), np.uint8)
    time = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"x.{film.ext}")
        with av.open(str(path), "w", options=_pairs(film.container)) as container:
            stream = container.add_stream(film.codec, rate=25)
            stream.height, stream.width = size
            stream.pix_fmt, stream.options = film.pixels, _pairs(film.options)
            stream.codec_context.thread_count = 1
            if film.variable:
                stream.codec_context.time_base = Fraction(1, 1000)
            for number in range(num_frames):
                picture = np.roll(noise, 3 * number, axis=1)
                picture[:, : size[1] * number // num_frames] = number * 2 % 256
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                if film.variable:
                    frame.pts, frame.time_base = time, Fraction(1, 1000)
                    time += int(rng.integers(15, 90))
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path.read_bytes()


def _pairs(text: str) -> dict[str, str]:
    return dict(option.split("=", 1) for option in text.split())


@lru_cache(maxsize=256)
def gop_table(data: bytes, ext: str) -> KeyFrames:
    """The table as it comes out of an index: times as float32."""
    keys = probe_key_frames(data, f"x.{ext}")[1]
    times = [float(np.float32(key.time)) for key in keys]
    return KeyFrames([key.number for key in keys], times, [key.offset for key in keys])


class Store:
    """Gives the bytes of one video, and complains when it is asked outside of it or twice for a byte."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.given = bytearray(len(data))
        self.requests: list[list[Span]] = []

    def fetch(self, spans: list[Span]) -> list[bytes]:
        self.requests.append(list(spans))
        for start, stop in spans:
            assert 0 <= start < stop <= len(self.data) and not any(self.given[start:stop]), (start, stop)
            self.given[start:stop] = b"\1" * (stop - start)
        return [self.data[start:stop] for start, stop in spans]

    def medium(
        self, table: KeyFrames, counts: Counters | None = None, sizes: FetchSizes = FETCH_SIZES
    ) -> PartialMedium:
        return PartialMedium(len(self.data), table, self.fetch, counts=counts, sizes=sizes)
