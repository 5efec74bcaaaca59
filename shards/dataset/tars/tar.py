"""Walk the headers of a tar: which regular files it holds, where their bytes lie, and what else is in it.

Promises: every member returned lies whole inside the file; nothing is extracted and no path is followed; header
checksums are verified; a tar that was cut off, even exactly between two members, is an error and never a shorter
list. Understands V7, ustar, GNU long names and sizes, and pax (path and size), which is what WebDataset, tarfile, GNU
tar and bsdtar write. The walk goes on behind an end marker, as joined tars need it.
Every name and every byte is a `Member`, a `Stray` or an error: links, devices and sparse files (their bytes do not lie
in one piece) are strays with a reason, and so are bytes behind an end marker that are no tar, and zeros that no writer
of tars puts there. Only directories without bytes of their own are passed over: the names in them say their names.
Gives up: compressed tars, refused with a reason; and telling a member whose blocks were all overwritten with zeros
from an end marker where both have the same length. A name is returned as it stands: it is data, not a path to open.

Each header says where the next one lies, so the chain is walked one by one, reading nothing but a size; plain headers
are collected and checked many at a time with numpy. Whatever is not plain goes through `step`, which alone decides
what is an error; the fast way never does.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from shards.dataset.tars.entries import Entry, Member, ReadAt
from shards.dataset.tars.tar_walk import Walk
from shards.dataset.tars.window import Window


def scan(tar: str | Path | BinaryIO) -> list[Member]:
    """List the regular files of a tar in the order in which they are stored.

    tar: a local path, or an open binary file that can seek (read in pieces of up to 4 MiB). Raises TarError, and
    OSError if it cannot be read.
    """
    return _walked(tar).found


def scan_all(tar: str | Path | BinaryIO) -> list[Entry]:
    """`scan`, with the strays where they stand."""
    return _walked(tar).take()


def scan_far(read_at: ReadAt, length: int, where: str) -> list[Entry]:
    """`scan_all` for a file that is far away: every byte is asked for once at most. where: for errors."""
    return list(walk(Window(read_at).read, length, where))


def walk(read_at: ReadAt, length: int, where: str) -> Iterator[Entry]:
    """`scan_all` for a file that is read once: members come as their headers do, and read_at is only ever asked to go
    on from where it was. Slower where the file is at hand. where: for errors."""
    walk = Walk(read_at, length, where, once=True)
    more = True
    while more:
        more = walk.step()
        yield from walk.take()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let no garbage collection run: tens of thousands of new tuples, none of them garbage, set off several, each of
    which goes through every object of the process (measured: a fifth of a scan of 20,000 members)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _walked(tar: str | Path | BinaryIO) -> Walk:
    with _no_collection():
        return _walk_of(tar)


def _walk_of(tar: str | Path | BinaryIO) -> Walk:
    if isinstance(tar, str | Path):
        fd = os.open(tar, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            # A pread of one header costs less than copying what lies between two, and less than a page fault.
            return Walk(partial(os.pread, fd), os.fstat(fd).st_size, str(tar)).to_the_end()
        finally:
            os.close(fd)
    length = tar.seek(0, os.SEEK_END)

    def read_at(length: int, offset: int) -> bytes:
        tar.seek(offset)
        return tar.read(length)

    return Walk(Window(read_at).read, length, str(getattr(tar, "name", "tar"))).to_the_end()
