"""The bytes of a PNG without texts and colour profile, which Pillow would unpack up to a limit.

Texts that say how the picture is turned stay.
"""

from __future__ import annotations

import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_TURNING = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0", b"Raw profile type APP1\0")
"""Keywords of the texts in which Pillow looks for an orientation."""
_MAX_TURNING_BYTES, _MAX_TURNING = 1 << 19, 16
"""Unpacked size of such a text, and how many; beyond that it is left out as well. Pillow takes 64 MiB of them."""


def mended_png(data: bytes) -> bytes:
    """The same PNG without those chunks; `data` itself if it has none."""
    kept: list[bytes] = []
    at = start = len(_SIGNATURE)
    turning = 0
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if kind in _TEXTS:
            turns = turning < _MAX_TURNING and _is_turning(kind, data[at + 8 : end - 4])
            turning += turns
            if not turns:
                kept.append(data[start:at])
                start = end
        at = end
    return b"".join((_SIGNATURE, *kept, data[start:])) if kept else data


def _is_turning(kind: bytes, text: bytes) -> bool:
    """True for a chunk of text that may say how the picture is turned and is of a reasonable size."""
    keyword = next((word for word in _TURNING if text.startswith(word)), None)
    if keyword is None or kind == b"iCCP" or len(text) > _MAX_TURNING_BYTES:
        return False
    packed = b""
    if kind == b"zTXt":
        packed = text[len(keyword) + 1 :]
    elif kind == b"iTXt" and text[len(keyword) : len(keyword) + 1] == b"\1":
        packed = text[len(keyword) + 2 :].split(b"\0", 2)[-1]
    try:
        return len(zlib.decompressobj().decompress(packed, _MAX_TURNING_BYTES)) < _MAX_TURNING_BYTES
    except zlib.error:
        return False
