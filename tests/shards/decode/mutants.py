"""Samples of every container and codec that is trusted, small, and what truncation and flipped bits make of them."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from shards.media.facts import KeyFrames
from tests.shards.films import OTHERS, SEEKABLE, Film, gop_table, shoot

NUM_FRAMES = 40
_MORE = {
    "mjpeg": Film("mjpeg", "avi", pixels="yuvj420p"),
    "mpeg2": Film("mpeg2video", "mpg", "g=12 bf=2"),
    "flv": Film("flv", "flv", "g=12"),
    "raw": Film("rawvideo", "avi"),
}
_PICTURES = (
    ("RGB", "JPEG"),
    ("CMYK", "JPEG"),
    ("L", "PNG"),
    ("I;16", "PNG"),
    ("P", "GIF"),
    ("RGBA", "WEBP"),
    ("RGB", "TIFF"),
)


class Original(NamedTuple):
    """A file that is in order."""

    name: str
    kind: str
    data: bytes
    num_frames: int
    table: KeyFrames | None


@lru_cache(maxsize=1)
def originals() -> list[Original]:
    """Videos of some 40 frames of 48x64 pixels, and pictures of 40x24."""
    found = []
    for film in (*SEEKABLE.values(), *OTHERS.values(), *_MORE.values()):
        data = shoot(film, NUM_FRAMES)
        found.append(Original(f"x.{film.ext}", "video", data, NUM_FRAMES - 4, gop_table(data, film.ext)))
    for mode, form in _PICTURES:
        found.append(Original(f"x.{form.lower()}", "image", _picture(mode, form), 1, None))
    return found


def _picture(mode: str, form: str) -> bytes:
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    image = Image.fromarray(noise[..., 0].astype(np.uint16) * 200) if mode == "I;16" else Image.fromarray(noise)
    buffer = io.BytesIO()
    (image if mode == "I;16" else image.convert(mode)).save(buffer, form)
    return buffer.getvalue()


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut it off, or flip 1 to 64 bits anywhere, or in the first or last kilobyte, where the tables are; or both."""
    how = rng.integers(4)
    if how == 0:
        return data[: int(rng.integers(len(data)))]
    changed = bytearray(data)
    near = min(1024, len(data))
    start, stop = [(0, len(data)), (0, near), (len(data) - near, len(data))][int(rng.integers(3))]
    for at in rng.integers(start, stop, int(2 ** rng.integers(0, 7))).tolist():
        changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed if how < 3 else changed[: int(rng.integers(1, len(data)))])
