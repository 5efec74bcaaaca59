"""Check the sample counts in the tables of an MP4 or MOV before FFmpeg trusts them.

A box of 20 bytes can say that a track has 80 million samples; FFmpeg lays out 35 bytes for each of them before it
reads one (measured: 660 bytes of file, 2.8 GB of memory, 2 seconds). Promises: the samples that all tracks and
fragments claim together are bounded by the size of the file, generously (uncompressed mono sound has a sample every
2 bytes). Not checked: anything else; FFmpeg does that.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Protocol

MAX_FREE_SAMPLES = 1 << 22
BYTES_PER_SAMPLE = 2
"""A file of n bytes may claim n / 2 samples more than the free ones."""

# Boxes by which FFmpeg recognises the format, whatever precedes them.
_KNOWN = frozenset(b"ftyp styp moov moof mdat free skip wide udta pnot junk pict uuid prfl ediw sidx".split())
# Where the number of samples stands, counted from the name of the box.
_COUNT_AT = {b"stsz": 12, b"stz2": 12, b"trun": 8}
_MATROSKA = b"\x1a\x45\xdf\xa3"
_LONGEST = 16
_PIECE = 1 << 20


class _BinaryFile(Protocol):
    """The part of a file's interface that is used here."""

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def read(self, size: int = -1, /) -> bytes: ...


def check_sample_counts(file: bytes | _BinaryFile, whole: bool = True) -> None:
    """Raise ValueError if an MP4 claims more samples than its size allows. Other formats pass.

    Reads all but the media data. whole: False is for files that are not to be read whole: of these only Matroska passes
    unread, and an MP4 whose tables are spread over the file is refused (fragments).
    """
    file = io.BytesIO(file) if isinstance(file, bytes) else file
    size = file.seek(0, io.SEEK_END)
    head = _read(file, 0, 8)
    if not whole and head.startswith(_MATROSKA):
        return
    if not whole and head[4:] not in _KNOWN:
        raise ValueError("is neither MP4 nor Matroska")
    claimed = 0
    for start, stop in _outside_media(file, size):
        for at in range(start, stop, _PIECE):
            # A piece, and so much behind it that nothing that begins in it is cut.
            data = _read(file, at, min(_PIECE + _LONGEST, stop - at))
            if 0 <= data.find(b"cmvd") < _PIECE:
                raise ValueError("its header is compressed (cmov): not supported")
            if not whole and (data.find(b"mvex") >= 0 or data.find(b"moof") >= 0):
                raise ValueError("its tables are fragmented")
            claimed += _claims(data)
    limit = MAX_FREE_SAMPLES + size // BYTES_PER_SAMPLE
    if claimed > limit:
        raise ValueError(f"its tables claim {claimed} samples in {size} bytes, the limit is {limit}")


def is_mp4_or_matroska(data: bytes) -> bool:
    """True for the containers whose tables say where frames are, by their first bytes."""
    return data.startswith(_MATROSKA) or data[4:8] in _KNOWN


def _claims(data: bytes) -> int:
    """The number of samples claimed by tables whose names are in the first piece of data."""
    claimed = 0
    for name, offset in _COUNT_AT.items():
        at = data.find(name)
        while 0 <= at < _PIECE:
            if at + offset + 4 <= len(data):
                claimed += struct.unpack_from(">I", data, at + offset)[0]
            at = data.find(name, at + 4)
    return claimed


def _outside_media(file: _BinaryFile, size: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of all that is not inside an mdat box, nothing if this is no MP4. Where boxes end, all the rest."""
    at, known = 0, False
    while at + 8 <= size:
        head = _read(file, at, 16)
        length, name = struct.unpack_from(">I4s", head)
        if length == 1 and len(head) == 16:
            length = struct.unpack_from(">Q", head, 8)[0]
        elif length == 0:
            length = size - at
        known = known or name in _KNOWN
        if not known and (length < 8 or at + length > size):
            return
        if length < 8:
            yield at, size
            return
        if name != b"mdat":
            yield at, min(at + length, size)
        at += length


def _read(file: _BinaryFile, at: int, length: int) -> bytes:
    """Read this many bytes, fewer only where the file ends."""
    file.seek(at)
    data = file.read(length)
    while len(data) < length and (more := file.read(length - len(data))):
        data += more
    return data
