"""The size that a Matroska file of FFmpeg says, changed in place."""

from __future__ import annotations

from collections.abc import Iterator

_SEGMENT, _TRACKS, _TRACK, _VIDEO = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae", b"\xe0"
_WIDTH, _HEIGHT, _VOID = b"\xb0", b"\xba", b"\xec"
_ABOUT_SHOWING = (b"\x9a", b"\x54\xb0", b"\x54\xba", b"\x54\xb2")
"""Elements that no decoder needs: whether frames are interlaced, and sizes on a screen. They make room."""


def with_size(file: bytes, size: tuple[int, int]) -> bytes:
    """The file with another (width, height) of its one video, as long as before. Raises ValueError where there is no
    room, or for a side of 65,536 pixels or more."""
    if max(size) > 0xFFFF:
        raise ValueError(f"{size[0]}x{size[1]} is too large for its header")
    start, stop = 0, len(file)
    for name in (_SEGMENT, _TRACKS, _TRACK, _VIDEO):
        place = next(((body, end) for found, _, body, end in _elements(file, start, stop) if found == name), None)
        if place is None:
            raise ValueError("it has no header of a video")
        start, stop = place
    others = [
        file[at:end]
        for name, at, _, end in _elements(file, start, stop)
        if name not in (_WIDTH, _HEIGHT, *_ABOUT_SHOWING)
    ]
    sizes = [b"\x82" + side.to_bytes(2, "big") for side in size]
    body = _WIDTH + sizes[0] + _HEIGHT + sizes[1] + b"".join(others)
    room = stop - start - len(body)
    if room == 1:  # the shortest element to be left out has two bytes
        body, room = _WIDTH + b"\x40\x02" + body[2:], 0
    if room < 0 or room > 128:
        raise ValueError(f"its header has {room} bytes of room for another size")
    void = _VOID + bytes([0x80 | room - 2]) + bytes(room - 2) if room else b""
    return file[:start] + body + void + file[stop:]


def _elements(file: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int, int]]:
    """(name, where it begins, where its body begins, where it ends) of the elements between two places."""
    at = start
    while at < stop:
        name_ends = at + _length(file[at])
        body = name_ends + _length(file[name_ends])
        size = int.from_bytes(file[name_ends:body], "big") & (1 << 7 * (body - name_ends)) - 1
        yield file[at:name_ends], at, body, body + size
        at = body + size


def _length(first: int) -> int:
    """Bytes of a number whose length is said by the zeros in front of its first one (RFC 8794, section 4)."""
    return 9 - first.bit_length()
