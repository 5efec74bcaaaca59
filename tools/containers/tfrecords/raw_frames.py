"""A frame sample of raw pixels: the frames of a clip one behind the other, uint8, as T2VLP's TFRecords hold them."""

from __future__ import annotations

import io

import numpy as np

from tools.containers.media_values import Medium, NoMedium, frames_of


def frames_of_pixels(data: bytes, side: int, quality: int) -> Medium:
    """Pictures of raw frames, as JPEG of this quality (1 to 100).

    data: uint8 (T, side, side, 3), BGR, as OpenCV has it. Raises NoMedium where the bytes are no whole number of these.
    """
    from PIL import Image

    frame_bytes = side * side * 3
    if not data or len(data) % frame_bytes:
        raise NoMedium(
            f"holds {len(data):,} bytes, neither a picture nor raw frames of {side} x {side} ({frame_bytes:,} bytes "
            "each); name the side with --frame-side, or fetch it again"
        )
    pictures = []
    for frame in np.frombuffer(data, np.uint8).reshape(-1, side, side, 3):
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(frame[:, :, ::-1])).save(out, "JPEG", quality=quality)
        pictures.append(Medium(out.getvalue(), "jpg"))
    return frames_of(pictures)
