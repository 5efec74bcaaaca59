"""What a tar holds: its regular files, and whatever else."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

BLOCK = 512
ReadAt = Callable[[int, int], bytes]
"""(length, offset) -> bytes, fewer only at the end of the file; os.pread without its first argument."""


class Member(NamedTuple):
    """A regular file inside a tar: its name, and where its bytes start and how many they are."""

    name: str
    offset: int
    size: int


class Stray(NamedTuple):
    """What a tar holds that cannot be read as a regular file."""

    name: str
    """Empty for bytes that belong to no header."""
    offset: int
    size: int
    """Of its bytes in the tar, as far as it has some."""
    reason: str
    """What it is, and what to do."""


Entry = Member | Stray


def padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
