"""The bytes of a picture as decoders take them: what no pixel depends on is put right or left out.

Promises: bytes that are as they should be come back as they are, the same object. Otherwise:
- A JPEG without its end marker gets one, if every pixel is there: no pixel changes with what might have followed (tried
  with several endings), and every scan has come. Zeros or fill bytes behind it and what was appended to it are no
  matter. One that is short is a MediaError; so is a progressive one that lacks a scan.
- A PNG loses its texts and colour profile, which Pillow would unpack up to a limit; what says how it is turned stays.
- A WebP whose RIFF header or last chunk tells a wrong size gets the right one.
Pillow itself takes a PNG without its end, and a GIF without its trailer.
Refused although whole: a JPEG without its end whose last byte is zero, filled up with zeros.
Not noticed: a JPEG that lost bytes in its middle and has its end; noise as long as what a cut lost.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zlib

from shards.base.errors import MediaError
from shards.media.limits import check_size

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_JPEG_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
"""In the data of a scan all but stuffed zeros and restart markers."""
_END, _START_OF_SCAN = 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_SEGMENTS = frozenset({0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE}) | _FRAMES
_COEFFICIENTS = 64
_ENDINGS, _ENDING_BYTES = 8, 64

_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_TURNING = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0", b"Raw profile type APP1\0")
"""Keywords of the texts in which Pillow looks for an orientation."""
_MAX_TURNING_BYTES, _MAX_TURNING = 1 << 19, 16
"""Unpacked size of such a text, and how many; beyond that it is left out as well. Pillow takes 64 MiB of them."""

_WEBP_CHUNKS = (b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"ICCP", b"EXIF", b"XMP ")
_WEBP_PIXELS = (b"VP8 ", b"VP8L", b"ANMF")


def mended(data: bytes) -> bytes:
    """The bytes to decode. Raises MediaError for a picture that ends before its pixels do."""
    if data.startswith(_JPEG):
        return data if data.endswith(_JPEG_END) else _mended_jpeg(data)
    if data.startswith(_PNG):
        return _mended_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _mended_webp(data)
    return data


# ---------------------------------------------------------------- JPEG


class _Scans:
    """Which coefficients of which component have come to their last bit."""

    def __init__(self, is_progressive: bool, components: bytes) -> None:
        self._is_progressive = is_progressive
        self._missing = {component: set(range(_COEFFICIENTS)) for component in components}

    def add(self, header: bytes) -> None:
        count = header[0] if header else 0
        if len(header) < 2 * count + 4:
            return
        first, last, bits = header[2 * count + 1 : 2 * count + 4]
        done = range(first, last + 1) if self._is_progressive else range(_COEFFICIENTS)
        if self._is_progressive and bits & 15:
            return  # its lower bits are still to come
        for component in header[1 : 2 * count + 1 : 2]:
            if component in self._missing:
                self._missing[component].difference_update(done)

    @property
    def are_all(self) -> bool:
        return bool(self._missing) and not any(self._missing.values())


def _mended_jpeg(data: bytes) -> bytes:
    scans: _Scans | None = None
    at, scan = 2, 0
    end = len(data)
    while marker := _MARKER.search(data, at):
        code, body = marker[1][0], marker.end()
        length = int.from_bytes(data[body : body + 2], "big")
        if code == _END or (code not in _SEGMENTS and not scan):
            return data  # it has its end; or the header is Pillow's to judge
        if code not in _SEGMENTS or (code in _FRAMES and scan) or length < 2 or body + length > len(data):
            end = marker.start()
            break
        header = data[body + 2 : body + length]
        if code in _FRAMES:
            scans = _Scans(code in _PROGRESSIVE, header[6::3])
        if code == _START_OF_SCAN:
            scan = body + length
            if scans is not None:
                scans.add(header)
        at = body + length
    if not scan or scans is None:
        return data
    picture = _without_padding(data[:end], scan)
    if not scans.are_all or not _is_determined(picture, scan):
        raise MediaError("not a picture, or damaged: the JPEG file is truncated: it ends before its pixels do")
    return picture + _JPEG_END


def _without_padding(data: bytes, scan: int) -> bytes:
    """Without zeros and fill bytes at the end, which a cut file may have been filled up with."""
    pixels = data[scan:].rstrip(b"\0\xff")
    rest = data[scan + len(pixels) :]
    stuffed = re.match(rb"(?:\xff\0)*", rest)
    kept = stuffed.end() if stuffed else 0
    if rest[kept:].rstrip(b"\xff") == b"\0":  # one zero may be data
        kept += 1
    return data[: scan + len(pixels) + kept]


def _is_determined(picture: bytes, scan: int) -> bool:
    """Whether the pixels are the same whatever follows: noise, and what restarts the decoder behind it."""
    from PIL import Image

    last = max(picture.rfind(bytes((0xFF, 0xD0 + number)), scan) for number in range(8))
    after = picture[last + 1] - 0xD0 + 1 if last >= 0 else 0
    seen = set()
    for ending in range(_ENDINGS):
        noise = hashlib.shake_128(bytes([ending])).digest(9 * _ENDING_BYTES).replace(b"\xff", b"\x7f")
        noise = bytes([ending << 5 | noise[0] & 15]) + noise[1:]  # whatever code was begun goes on in another way
        parts = [noise[at : at + _ENDING_BYTES] for at in range(0, len(noise), _ENDING_BYTES)]
        tail = parts[0] + b"".join(
            bytes((0xFF, 0xD0 + (after + number) % 8)) + part for number, part in enumerate(parts[1:])
        )
        try:
            with Image.open(io.BytesIO(picture + tail + _JPEG_END), formats=("JPEG",)) as image:
                check_size(*image.size)
                seen.add(hashlib.blake2b(image.tobytes()).digest())
        except (OSError, SyntaxError, ValueError) as error:
            raise MediaError(f"not a picture, or damaged: {error}") from error
        if len(seen) > 1:
            return False
    return True


# ---------------------------------------------------------------- PNG


def _mended_png(data: bytes) -> bytes:
    kept: list[bytes] = []
    at = start = len(_PNG)
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
    return b"".join((_PNG, *kept, data[start:])) if kept else data


def _is_turning(kind: bytes, text: bytes) -> bool:
    """Whether a chunk of text may say how the picture is turned, and is of a reasonable size."""
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


# ---------------------------------------------------------------- WebP


def _mended_webp(data: bytes) -> bytes:
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
