"""What is shown of a video that was written anew for DALI, beside what linear decoding of the whole one shows."""

from __future__ import annotations

import io
from collections.abc import Collection
from functools import lru_cache

import av
import numpy as np
from av.video.plane import VideoPlane

from shards.decode.cpu import decode
from shards.decode.packing.coded_size import Window
from shards.decode.packing.remux import Remuxed
from shards.media.clip_plan import ClipPlan
from shards.media.facts import MediaFacts
from shards.media.videos.shown import Screen
from shards.media.videos.video import demux, open_video

SIZE = (24, 32)


def show(data: bytes, *frames: int) -> np.ndarray:
    """Frames of a video in a small size."""
    return decode(data, "video", ClipPlan(frames, SIZE, (0, 0, *SIZE)))


def check(
    data: bytes, facts: MediaFacts, wanted: tuple[int, ...], remuxed: Remuxed, among: frozenset[int] = frozenset()
) -> None:
    """The file says the coded size, and the window of its frames holds the frames, before their colours are changed:
    that takes in neighbours, at the edge of the window what lies beside it. among: all frames that are wanted of this
    video in calls that follow each other, for which it is decoded once."""
    window = remuxed.window
    with av.open(io.BytesIO(remuxed.data)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.codec.canonical_name, stream.width, stream.height) == (facts.codec, *window.coded)
    assert (window.width, window.height) == (facts.width, facts.height)
    if facts.codec in ("h264", "hevc"):
        step = 16 if facts.codec == "h264" else 8
        assert not window.coded[0] % step and not window.coded[1] % step
    if facts.codec != "mpeg4":  # FFmpeg calculates otherwise for AVI files that name XviD
        whole = Window(window[3:], 0, 0, *window[3:])
        found = _planes(remuxed.data, remuxed.frames, window)
        linear = _linear(data, among.union(wanted), whole)
        shown = zip([found[number] for number in remuxed.frames], [linear[number] for number in wanted], strict=True)
        assert all(np.array_equal(one, other) for pair in shown for one, other in zip(*pair, strict=True))


@lru_cache(maxsize=1)
def _linear(data: bytes, numbers: frozenset[int], window: Window) -> dict[int, list[np.ndarray]]:
    return _planes(data, numbers, window)


def _planes(data: bytes, numbers: Collection[int], window: Window) -> dict[int, list[np.ndarray]]:
    """Luma and chroma of the window of the frames under these numbers, as far as there are such frames."""
    found: dict[int, list[np.ndarray]] = {}
    with open_video(data) as (container, stream):
        screen = Screen(stream)
        frames = (frame for packet in demux(container, stream) for frame in screen.feed(packet))
        for number, frame in zip(range(max(numbers) + 1), frames, strict=False):
            if number in numbers:
                found[number] = [_cut(plane, window, 2 if at else 1) for at, plane in enumerate(frame.planes)]
    return found


def _cut(plane: VideoPlane, window: Window, by: int) -> np.ndarray:
    pixels = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    rows = slice(window.top // by, (window.top + window.height + by - 1) // by)
    return pixels[rows, window.left // by : (window.left + window.width + by - 1) // by].copy()
