"""Plain headers of a tar, checked many at a time with numpy.

A header is plain if nothing but its name and size matters: a regular file with eleven octal digits as size, at most
preceded by a pax header that holds only times or owners. The members are exactly those that tar_walk.py finds one by
one, which takes everything that is not plain and alone decides what is an error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shards.dataset.tars.entries import BLOCK, Member, ReadAt, padded
from shards.dataset.tars.tar_header import RENAMES, pax_records

_BATCH = 1024
"""Headers that are checked together."""
_FEW = 32
"""Fewer headers than this are checked faster one by one (measured)."""
_PLAIN_FILE, _PAX = ord("0"), ord("x")
_USTAR = np.frombuffer(b"ustar\0", np.uint8)
_POWERS_OF_8 = 8 ** np.arange(5, -1, -1)


def plain_members(read_at: ReadAt, position: int, length: int, where: str, found: list[Member]) -> tuple[int, int]:
    """Append the members of the plain headers that follow `position` to `found`.

    Returns (position of the first header that was not taken, number of headers that were read but not taken).
    length: of the tar. where: names it in errors.
    """
    while True:
        headers, starts, sizes = _collect(read_at, position, where)
        if len(headers) < _FEW:
            return position, len(headers)
        taken = _take(headers, starts, sizes, length, found)
        if taken < len(headers):
            return starts[taken], len(headers) - taken
        position = starts[-1] + BLOCK + padded(sizes[-1])


def _collect(read_at: ReadAt, position: int, where: str) -> tuple[list[bytes], list[int], list[int]]:
    """Up to a batch of headers that look plain, their positions, and sizes (-1: a pax header)."""
    headers: list[bytes] = []
    starts: list[int] = []
    sizes: list[int] = []
    try:
        while len(headers) < _BATCH:
            header = read_at(BLOCK, position)
            kind = header[156]
            size = stored = int(header[124:135], 8)  # accepts too much; `_take` checks the digits
            if kind == _PAX and 0 <= size <= BLOCK and _is_idle(read_at(size, position + BLOCK), where, position):
                stored = -1
            elif kind != _PLAIN_FILE or size < 0:
                break
            if len(header) < BLOCK:
                break
            headers.append(header)
            starts.append(position)
            sizes.append(stored)
            position += BLOCK + (size + 511 & ~511)
    except (IndexError, ValueError):  # no header, no number, a malformed pax header: the walk says what is wrong
        pass
    if sizes and sizes[-1] < 0:  # the member that this pax header belongs to was not collected
        return headers[:-1], starts[:-1], sizes[:-1]
    return headers, starts, sizes


def _is_idle(data: bytes, where: str, position: int) -> bool:
    """True if a pax header changes neither name nor size of the next member."""
    return not pax_records(data, where, position).keys() & RENAMES


def _take(headers: list[bytes], starts: list[int], sizes: list[int], length: int, found: list[Member]) -> int:
    """Append the members before the first header that is not plain in every respect; returns its number."""
    table = np.frombuffer(b"".join(headers), np.uint8).reshape(-1, BLOCK)
    start, size = np.array(starts, np.int64) + BLOCK, np.array(sizes, np.int64)
    good = _checksums_fit(table) & _are_plain_numbers(table[:, 124:136])
    good &= start + size <= length
    # A path prefix counts only in ustar headers.
    good &= (table[:, 345] == 0) | (table[:, 257:263] != _USTAR).any(1)
    taken = len(good) if good.all() else int(good.argmin())
    files = np.flatnonzero(size[:taken] >= 0)
    names: list[bytes] = np.ascontiguousarray(table[files, :100]).view("S100").ravel().tolist()
    joined = b"".join([name + b"\0" for name in names])
    if joined.count(b"\0") != len(names) or b"/\0" in joined:
        # A name with bytes behind its end, or an old directory, which only its name tells apart.
        odd = next(i for i, name in enumerate(names) if b"\0" in name or name.endswith(b"/"))
        taken, files = int(files[odd]), files[:odd]
        joined = b"".join([name + b"\0" for name in names[:odd]])
    # All names are decoded in one call: a zero byte is never part of another UTF-8 character.
    texts = joined.decode("utf-8", "surrogateescape").split("\0")[:-1]
    rows = zip(texts, start[files].tolist(), size[files].tolist(), strict=True)
    found.extend(map(Member._make, rows))
    return taken


def _checksums_fit(table: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """For each of n headers, (n, 512): whether its checksum is right and written as six digits, 0 and a space or 0."""
    # The even and the odd bytes of eight are added up in four lanes of 16 bits; 128 * 255 fits.
    words, even = table.view("<u8"), np.uint64(0x00FF00FF00FF00FF)
    lanes = ((words & even) + (words >> np.uint64(8) & even)).sum(axis=1)
    total = lanes.view("<u2").reshape(-1, 4).sum(axis=1, dtype=np.int64)
    field = table[:, 148:156].astype(np.int64)
    digits = field[:, :6] - ord("0")
    as_written = ((digits & ~7) == 0).all(1) & (field[:, 6] == 0) & ((field[:, 7] & ~32) == 0)
    # The checksum counts its own field as eight spaces.
    return as_written & (digits @ _POWERS_OF_8 == total - field.sum(1) + 8 * 32)


def _are_plain_numbers(fields: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """For each of n size fields, (n, 12): whether it is eleven octal digits and a 0 or a space."""
    return ((fields[:, :11] & 0xF8) == ord("0")).all(1) & ((fields[:, 11] & ~np.uint8(32)) == 0)
