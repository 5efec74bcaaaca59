"""The bytes of a WebP whose RIFF header or last chunk tells a wrong size, with the right one."""

from __future__ import annotations

import struct

_WEBP_CHUNKS = (b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"ICCP", b"EXIF", b"XMP ")
_WEBP_PIXELS = (b"VP8 ", b"VP8L", b"ANMF")


def mended_webp(data: bytes) -> bytes:
    """The same WebP with the right sizes; `data` itself if they are right or its pixels are not all there."""
    told = int.from_bytes(data[4:8], "little") + 8
    at, has_pixels = 12, False
    while at + 8 <= len(data) and data[at : at + 4] in _WEBP_CHUNKS:
        kind, size = struct.unpack_from("<4sI", data, at)
        if at + 8 + size > len(data):
            break
        at += 8 + size + size % 2
        has_pixels |= kind in _WEBP_PIXELS
    if not has_pixels or at <= told <= len(data):
        return data
    chunks = data[12:at] + b"\0" * (at - len(data))
    return b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks
