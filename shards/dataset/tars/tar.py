"""List what a tar holds: which regular files, where their bytes lie, and what else is in it.

Promises: every member returned lies whole inside the file; nothing is extracted and no path is followed; header
checksums are verified; a tar that was cut off, even exactly between two members, is an error and never a shorter
list. Understands V7, ustar, GNU long names and sizes, and pax (path and size), which is what WebDataset, tarfile, GNU
tar and bsdtar write. Tars that were joined are read to the end of the last.
Links, devices and sparse files (their bytes do not lie in one piece) are strays with a reason, and so are bytes behind
an end marker that are no tar, and zeros that no writer of tars puts there. Only directories without bytes of their own
are left out: their names are part of the names of the files in them.
Gives up: compressed tars, refused with a reason; and telling a member whose blocks were all overwritten with zeros
from an end marker where both have the same length.

Each header says where the next one lies, so the chain is walked one by one, reading nothing but a size; plain headers
are collected and checked many at a time with numpy (plain_headers.py). All others are taken one by one (tar_walk.py),
and only that code decides what is an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from shards.base.processes import no_garbage_collection
from shards.dataset.tars.entries import Entry, Member, ReadAt
from shards.dataset.tars.tar_walk import Walk

_WINDOW = 1 << 22
_BEHIND_WINDOW = 1 << 16
"""Bytes that are fetched at once from a file that is not on this machine: while members follow each other, and after a
member larger than a window was skipped."""


def scan(tar: str | Path | BinaryIO) -> list[Member]:
    """List the regular files of a tar in the order in which they are stored.

    tar: a local path, or an open binary file that can seek (read in pieces of up to 4 MiB). Raises TarError, and
    OSError if it cannot be read.
    """
    return _walked(tar).found


def scan_all(tar: str | Path | BinaryIO) -> list[Entry]:
    """List the regular files of a tar and its strays, in the order in which they are stored."""
    return _walked(tar).take()


def scan_far(read_at: ReadAt, length: int, where: str) -> list[Entry]:
    """`scan_all` for a file of a store: every byte is requested at most once. where: names the file in errors."""
    return list(walk(_Window(read_at).read, length, where))


def walk(read_at: ReadAt, length: int, where: str) -> Iterator[Entry]:
    """`scan_all` for a file that is read once from begin to end: a member is given out as soon as its header is read,
    and read_at is only called with rising offsets. Slower than `scan_all` for a local file. where: names the file in
    errors."""
    walk = Walk(read_at, length, where, once=True)
    more = True
    while more:
        more = walk.step()
        yield from walk.take()


def _walked(tar: str | Path | BinaryIO) -> Walk:
    with no_garbage_collection():
        return _walk_of(tar)


def _walk_of(tar: str | Path | BinaryIO) -> Walk:
    if isinstance(tar, str | Path):
        fd = os.open(tar, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            # A pread of one header costs less than copying the bytes between two headers, and less than a page fault
            # of a mapped file.
            return Walk(partial(os.pread, fd), os.fstat(fd).st_size, str(tar)).to_the_end()
        finally:
            os.close(fd)
    length = tar.seek(0, os.SEEK_END)

    def read_at(length: int, offset: int) -> bytes:
        tar.seek(offset)
        return tar.read(length)

    return Walk(_Window(read_at).read, length, str(getattr(tar, "name", "tar"))).to_the_end()


class _Window:
    """Small reads at rising offsets, fetched in large pieces."""

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        self._piece, self._start = b"", 0
        self._size, self._last = _WINDOW, 0

    def read(self, length: int, offset: int) -> bytes:
        at = offset - self._start
        jump, self._last = offset - self._last, offset
        if at < 0 or at + length > len(self._piece):
            # After a jump over a large member the next ones may be large too: start small, grow while reads are near.
            self._size = min(_WINDOW, 4 * self._size) if jump < _WINDOW else _BEHIND_WINDOW
            self._piece, self._start, at = self._read_at(max(self._size, length), offset), offset, 0
        return self._piece[at : at + length]
