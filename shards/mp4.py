"""What the tables of an MP4 or MOV claim, checked before FFmpeg believes it.

A box of 20 bytes can say that a track has 80 million samples; FFmpeg lays out 35 bytes for each of them before it
reads one (measured: 660 bytes of file, 2.8 GB of memory, 2 seconds). Promises: the samples that all tracks and
fragments claim together are bounded by the size of the file, generously (uncompressed mono sound has a sample every
2 bytes). Not checked: anything else; FFmpeg does that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAX_FREE_SAMPLES = 1 << 22
BYTES_PER_SAMPLE = 2
"""A file of n bytes may claim n / 2 samples more than the free ones."""

# Boxes by which FFmpeg recognises the format, whatever precedes them.
_KNOWN = frozenset(b"ftyp styp moov moof mdat free skip wide udta pnot junk pict uuid prfl ediw sidx".split())
# Where the number of samples stands, counted from the name of the box.
_COUNT_AT = {b"stsz": 12, b"stz2": 12, b"trun": 8}


def check_sample_counts(data: bytes) -> None:
    """Raise ValueError if an MP4 claims more samples than its size allows. Other formats pass."""
    claimed = 0
    for start, stop in _outside_media(data):
        if data.find(b"cmvd", start, stop) >= 0:
            raise ValueError("its header is compressed (cmov): not supported")
        for name, offset in _COUNT_AT.items():
            at = data.find(name, start, stop)
            while at >= 0:
                if at + offset + 4 <= stop:
                    claimed += struct.unpack_from(">I", data, at + offset)[0]
                at = data.find(name, at + 4, stop)
    limit = MAX_FREE_SAMPLES + len(data) // BYTES_PER_SAMPLE
    if claimed > limit:
        raise ValueError(f"its tables claim {claimed} samples in {len(data)} bytes, the limit is {limit}")


def _outside_media(data: bytes) -> Iterator[tuple[int, int]]:
    """(start, stop) of all that is not inside an mdat box, nothing if this is no MP4. Where boxes end, all the rest."""
    at, known = 0, False
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size == 1 and at + 16 <= len(data):
            size = struct.unpack_from(">Q", data, at + 8)[0]
        elif size == 0:
            size = len(data) - at
        known = known or name in _KNOWN
        if not known and (size < 8 or at + size > len(data)):
            return
        if size < 8:
            yield at, len(data)
            return
        if name != b"mdat":
            yield at, min(at + size, len(data))
        at += size
