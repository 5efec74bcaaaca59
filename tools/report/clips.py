"""What a page shows of a medium: a short film that every browser plays and a picture to begin with, or a picture.

Promises: the bytes are made here from decoded frames (H.264 without sound at most 240 pixels high, JPEG), so nothing of
a hostile file reaches the browser, and formats that no browser plays are seen too.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.decode import decode
from shards.media import ClipPlan, Media, MediaFacts

SECONDS = 5.0
"""Length of a film at most; it is taken from the middle."""
_FPS = 12.0
_HEIGHT, _MAX_WIDTH, _PICTURE_HEIGHT = 240, 426, 280
_QUALITY = "30"
"""Constant rate factor of x264."""


class Shown(NamedTuple):
    """What is shown of a medium; empty bytes where there is nothing to see."""

    film: bytes
    """An MP4, for a medium that moves."""
    picture: bytes
    """A JPEG."""


def show(media: Media, facts: MediaFacts) -> Shown:
    """What to show of a medium. Raises MediaError, and what reading its bytes raises."""
    if not facts.height or not facts.num_frames:
        return Shown(b"", b"")
    still = facts.kind == "image" or facts.num_frames == 1
    numbers = (0,) if still else _numbers(facts)
    size = _size(facts, _PICTURE_HEIGHT if still else _HEIGHT)
    frames = decode(media, facts.kind, ClipPlan(numbers, resize=size, crop=(0, 0, *size)))
    picture = _jpeg(frames[0] if still else frames[len(frames) // 3])
    if still:
        return Shown(b"", picture)
    return Shown(_mp4(frames, _rate(facts, numbers)), picture)


def _numbers(facts: MediaFacts) -> tuple[int, ...]:
    """Frames of a few seconds in the middle, about 12 a second."""
    fps = _fps(facts)
    every = max(1.0, fps / _FPS)
    taken = min(facts.num_frames, max(2, round(SECONDS * fps)))
    first = (facts.num_frames - taken) // 2
    return tuple(dict.fromkeys(int(first + number * every) for number in range(max(1, int(taken / every)))))


def _fps(facts: MediaFacts) -> float:
    """Frames a second on the whole: a header may state a rate that few frames keep."""
    fps = facts.num_frames / facts.duration if facts.duration > 0 else facts.fps
    return fps if 0 < fps < 10_000 else _FPS


def _rate(facts: MediaFacts, numbers: tuple[int, ...]) -> float:
    """Frames a second at which the film is as fast as the medium."""
    step = (numbers[-1] - numbers[0]) / max(1, len(numbers) - 1)
    return min(60.0, max(0.5, _fps(facts) / max(step, 1.0)))


def _size(facts: MediaFacts, height: int) -> tuple[int, int]:
    """(height, width), both even, with the aspect of the medium up to a largest width."""
    scale = min(height / facts.height, _MAX_WIDTH / facts.width, 1.0)
    return tuple(max(2, round(side * scale / 2) * 2) for side in (facts.height, facts.width))  # type: ignore[return-value]


def _mp4(frames: NDArray[np.uint8], rate: float) -> bytes:
    """frames: uint8 (T, H, W, 3), RGB."""
    import av
    from av.container import OutputContainer
    from av.video.stream import VideoStream

    out = io.BytesIO()
    container = av.open(out, "w", format="mp4")
    assert isinstance(container, OutputContainer)
    with container:
        options = {"preset": "veryfast", "crf": _QUALITY, "profile": "main", "threads": "1"}
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001), options=options)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=75)
    return out.getvalue()
