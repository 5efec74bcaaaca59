"""Many ranges of open files in one call: by a compiled helper where it was built, else by Python.

The helper (`_pread.c`, built with the package where there is a C compiler) lets go of the interpreter lock once for all
ranges, os.pread once for each.
"""

from __future__ import annotations

import os
from collections.abc import Sequence


def read_fully(fd: int, length: int, offset: int) -> bytes:
    """Bytes of an open file, fewer only where it ends. One pread gives at most 2 GiB, and less when a signal comes."""
    data = os.pread(fd, length, offset)
    if len(data) == length or not data:
        return data
    pieces, got = [data], len(data)
    while got < length and (data := os.pread(fd, length - got, offset + got)):
        pieces.append(data)
        got += len(data)
    return b"".join(pieces)


def read_ranges_in_python(fds: Sequence[int], offsets: Sequence[int], lengths: Sequence[int]) -> list[bytes]:
    """The bytes of each range, fewer where its file ends or cannot be read. Raises ValueError for a negative number."""
    pieces = []
    for number, (fd, offset, length) in enumerate(zip(fds, offsets, lengths, strict=True)):
        if min(fd, offset, length) < 0:
            raise ValueError(f"range {number}: descriptor {fd}, offset {offset}, length {length}")
        try:
            pieces.append(read_fully(fd, length, offset))
        except OSError:
            pieces.append(b"")
    return pieces


try:
    from shards.storage._pread import read_ranges
except ImportError:  # no C compiler where the package was installed
    read_ranges = read_ranges_in_python
