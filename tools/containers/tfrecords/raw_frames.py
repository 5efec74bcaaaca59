"""A frame sample of raw pixels: the frames of a clip one behind the other, uint8, as T2VLP's TFRecords hold them."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np

from tools.containers.media_values import Medium, NoMedium, frames_of

_LOSSLESS: dict[str, Any] = {"format": "WEBP", "lossless": True, "quality": 0, "method": 0}
"""The least effort of WebP: 4 ms a frame of 256 x 256, and a sixth more bytes than most effort, which takes 50 ms."""

OTHER_SIDE = "say the pixels of a side with --frame-side if they are others, or fetch it again"
"""What to do about a number of bytes that does not fit."""


class RawFrames(NamedTuple):
    """The form of the raw frames of a clip."""

    side: int = 256
    """Pixels of a side of each."""
    num_frames: int | None = 12
    """None: any number. A fixed one tells frames of another side, of which many sizes are whole numbers of these."""

    def fits(self, data: bytes) -> bool:
        """True if the bytes are as many as such frames have."""
        frames, rest = divmod(len(data), self.side**2 * 3)
        return rest == 0 and (frames > 0 if self.num_frames is None else frames == self.num_frames)

    def __str__(self) -> str:
        frame = f"{self.side} x {self.side} x 3"
        if self.num_frames is None:
            return f"raw frames of {frame} bytes ({self.side**2 * 3:,} each)"
        return f"{self.num_frames} raw frames of {frame} bytes ({self.num_frames * self.side**2 * 3:,})"


def frames_of_pixels(data: bytes, form: RawFrames, quality: int | None = None) -> Medium:
    """Pictures of raw frames, as WebP without loss, or as JPEG of this quality (1 to 100).

    data: uint8 (T, side, side, 3), BGR, as OpenCV has it. Raises NoMedium where the bytes are not as many.
    """
    from PIL import Image

    if not form.fits(data):
        raise NoMedium(f"holds {len(data):,} bytes, neither a picture nor {form}; {OTHER_SIDE}")
    save_as = _LOSSLESS if quality is None else {"format": "JPEG", "quality": quality}
    pictures = []
    for frame in np.frombuffer(data, np.uint8).reshape(-1, form.side, form.side, 3):
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(frame[:, :, ::-1])).save(out, **save_as)
        pictures.append(Medium(out.getvalue(), "webp" if quality is None else "jpg"))
    return frames_of(pictures)
