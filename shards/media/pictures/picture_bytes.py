"""The bytes of a picture as decoders take them: what no pixel depends on is put right or left out.

Promises: bytes that are as they should be come back as they are, the same object. jpeg_bytes.py, png_bytes.py and
webp_bytes.py say what else becomes of a picture. Pillow itself takes a PNG without its end, and a GIF without its
trailer. Not noticed: a JPEG that lost bytes in its middle and has its end; noise as long as what a cut lost.
"""

from __future__ import annotations

from shards.media.pictures.forms import known_picture
from shards.media.pictures.jpeg_bytes import mended_jpeg
from shards.media.pictures.png_bytes import mended_png
from shards.media.pictures.webp_bytes import mended_webp

_MENDED = {"JPEG": mended_jpeg, "PNG": mended_png, "WebP": mended_webp}


def mended(data: bytes) -> bytes:
    """The bytes to decode. Raises MediaError for a picture that ends before its pixels do."""
    mend = _MENDED.get(known_picture(data))
    return data if mend is None else mend(data)
