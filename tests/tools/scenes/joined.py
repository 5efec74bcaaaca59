"""Long videos made of real clips one after the other, so that their cuts are known."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from pathlib import Path

import av

VIDEOS = Path(__file__).resolve().parents[3] / "samples/videos"
CLIPS = ("sintel_dunes.mp4", "bbb_grass.webm", "race_1906.ogv", "coin_pen.mov", "sintel_snow.mp4")


@lru_cache(maxsize=8)
def joined(
    names: Sequence[str] = CLIPS,
    num_frames: int = 40,
    ext: str = "mp4",
    gop: int = 12,
    rotation: int = 0,
    uneven: bool = False,
) -> bytes:
    """So many frames of each clip in one video of 160x120 at 25 fps; uneven: every third frame lasts twice as long."""
    out = io.BytesIO()
    with av.open(out, "w", format={"mkv": "matroska"}.get(ext, ext)) as container:
        stream = container.add_stream("libx264", rate=25, options={"g": str(gop), "preset": "ultrafast", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        number = time = 0
        for name in names:
            with av.open(str(VIDEOS / name)) as source:
                for frame in islice(source.decode(video=0), num_frames):
                    small = av.VideoFrame.from_ndarray(
                        frame.reformat(160, 120, "rgb24").to_ndarray(), "rgb24"
                    )  # without the old frame's type
                    small.pts, small.time_base = time, Fraction(1, 1000)
                    container.mux(stream.encode(small))
                    time += 80 if uneven and number % 3 == 0 else 40
                    number += 1
        container.mux(stream.encode(None))
    return out.getvalue()
