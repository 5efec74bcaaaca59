"""The entries of a tar: regular files, and everything that cannot be read as one.

Every name and every byte of a tar is a `Member`, a `Stray` or an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

BLOCK = 512
"""Bytes of a header; the bytes of a member are filled up with zeros to a multiple of this."""

ReadAt = Callable[[int, int], bytes]
"""(length, offset) -> bytes, fewer only at the end of the file; os.pread without its first argument."""


class Member(NamedTuple):
    """A regular file inside a tar: its name, where its bytes start, and how many there are.

    The name is returned as it stands: it is data, not a path to open.
    """

    name: str
    offset: int
    size: int


class Stray(NamedTuple):
    """Something in a tar that cannot be read as a regular file: a link, a device, a sparse file, bytes without a
    header."""

    name: str
    """Empty for bytes without a header."""
    offset: int
    size: int
    """Bytes that it occupies in the tar."""
    reason: str
    """Says what it is, and what to do."""


Entry = Member | Stray


def padded(size: int) -> int:
    """Bytes that a member of this size occupies, without its header."""
    return -(-size // BLOCK) * BLOCK
