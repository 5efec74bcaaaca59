"""The row of one sample in index.parquet, its limits, and the checksum of a member."""

from __future__ import annotations

from typing import NamedTuple

import xxhash

from shards.media.facts import KeyFrames, MediaFacts

MAX_MEDIA_BYTES = (1 << 31) - 1
MAX_TEXT_BYTES = 1 << 24
"""Largest medium and largest text member that is written or read."""
MAX_KEY_BYTES = 1024
"""Longest key with its extensions, bytes of UTF-8; the limit of every text of index.parquet."""


class MemberRow(NamedTuple):
    """A member: one file of a sample inside its shard."""

    ext: str
    """Extension: all after the first dot of the name, e.g. "mp4", "json"."""
    offset: int
    size: int
    checksum: int | None
    """Low 32 bits of XXH3_64 of the bytes; None in an index that was made from headers only."""

    def damage(self, data: bytes | memoryview) -> str | None:
        """The reason why data are not the bytes of this member; None if they are, or if its checksum is not known."""
        if self.checksum is None or (found := member_checksum(data)) == self.checksum:
            return None
        return f".{self.ext} is damaged: checksum {found:08x}, the index expects {self.checksum:08x}"


class SampleRow(NamedTuple):
    """A row of index.parquet: one sample."""

    key: str
    members: tuple[MemberRow, ...]
    num_records: int
    """-1 in an index that was made from headers only."""
    facts: MediaFacts
    key_frames: KeyFrames | None = None
    """None in an index without GOP tables."""


def member_checksum(data: bytes | memoryview) -> int:
    """Low 32 bits of XXH3_64, as the column member_checksum holds them."""
    return xxhash.xxh3_64_intdigest(data) & 0xFFFFFFFF
