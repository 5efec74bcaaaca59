"""The bytes of a JPEG that lacks its end marker, with one, if every pixel is there.

Promises: no pixel changes with what might have followed (tried with several endings), and every scan has come. Zeros or
fill bytes at the end and what was appended behind the marker do no harm. One that is short is a MediaError; so is a
progressive one that lacks a scan. Refused although whole: one whose last byte is zero, filled up with zeros.
"""

from __future__ import annotations

import hashlib
import io
import re

from shards.base.errors import MediaError
from shards.media.limits import check_size

_JPEG_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
"""Markers inside the data of a scan that end it: all but stuffed zeros and restart markers."""
_END, _START_OF_SCAN = 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_SEGMENTS = frozenset({0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE}) | _FRAMES
_COEFFICIENTS = 64
_ENDINGS, _ENDING_BYTES = 8, 64


class _Scans:
    """The coefficients of each component whose last bit has not come yet."""

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


def mended_jpeg(data: bytes) -> bytes:
    """The same JPEG with its end marker; `data` itself if it has one. Raises MediaError for one that is short."""
    if data.endswith(_JPEG_END):
        return data
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
    """The data without zeros and fill bytes at its end, with which a cut file may have been filled up."""
    pixels = data[scan:].rstrip(b"\0\xff")
    rest = data[scan + len(pixels) :]
    stuffed = re.match(rb"(?:\xff\0)*", rest)
    kept = stuffed.end() if stuffed else 0
    if rest[kept:].rstrip(b"\xff") == b"\0":  # one zero may be data
        kept += 1
    return data[: scan + len(pixels) + kept]


def _is_determined(picture: bytes, scan: int) -> bool:
    """True if the pixels are the same whatever follows: noise, and markers that restart the decoder behind it."""
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
