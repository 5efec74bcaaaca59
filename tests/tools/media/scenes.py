"""Videos of scenes whose pixels tell the frame and the turn, and what is in a video."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from shards.decode.cpu import decode
from shards.media.clip_plan import ClipPlan
from shards.media.videos.video import decode_packet, demux, open_video
from tools.media.profiles import VideoProfile

SMALL = VideoProfile(short_side=32, gop=4)

FIELD = Path(__file__).resolve().parents[2] / "field"


def scene(number: int, height: int, width: int) -> np.ndarray:
    """Smooth colours; the left third red, the top third bright, a bar that moves."""
    y, x = np.mgrid[:height, :width]
    frame = np.stack([120 - 60 * x / width, 60 + 90 * y / height, np.full(y.shape, 90.0)], 2)
    frame[:, : width // 3, 0] += 110
    frame[: height // 3] += 40
    bar = (7 * number) % (width - 8)
    frame[height // 2 : height // 2 + 8, bar : bar + 8] = (250, 250, 40)
    return frame.clip(0, 255).astype(np.uint8)


def video(
    num_frames: int = 20,
    size: tuple[int, int] = (96, 128),
    codec: str = "libx264",
    ext: str = "mp4",
    rotation: int = 0,
    times: list[int] | None = None,
    **context: Any,
) -> bytes:
    """A video of scenes, 25 fps or at `times` (milliseconds); context: attributes of the encoder (pix_fmt, ...)."""
    out = io.BytesIO()
    with av.open(out, "w", format={"mkv": "matroska"}.get(ext, ext)) as container:
        stream = container.add_stream(codec, rate=25, options={"g": "12", "crf": "8"} if codec == "libx264" else {})
        stream.height, stream.width = size
        stream.pix_fmt = context.pop("pix_fmt", "yuv420p")
        stream.codec_context.thread_count = 1
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(scene(number, *size), "rgb24")
            if context:
                frame = frame.reformat(
                    format=stream.pix_fmt,
                    dst_colorspace=context.get("colorspace"),
                    dst_color_range=context.get("color_range"),
                )
            if times is not None:
                frame.pts, frame.time_base = times[number], stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def pixels(data: bytes, kind: str, numbers: list[int], size: tuple[int, int]) -> np.ndarray:
    return decode(data, kind, ClipPlan(tuple(numbers), size, (0, 0, *size))).astype(np.int64)


def decoded(data: bytes) -> list[av.VideoFrame]:
    with open_video(data) as (container, stream):
        return [frame for packet in demux(container, stream) for frame in decode_packet(packet)]
