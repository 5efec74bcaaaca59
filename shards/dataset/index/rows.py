"""The row of one sample in index.parquet, its limits, and the checksum of a member."""

from __future__ import annotations

from typing import NamedTuple

import xxhash

from shards.media.facts import KeyFrames, MediaFacts

MAX_MEDIA_BYTES = (1 << 31) - 1
MAX_TEXT_BYTES = 1 << 24
"""Largest media member and largest json member that is written or read."""
MAX_KEY_BYTES = 1024
"""Longest key with its extensions, bytes of UTF-8; no other text of index.parquet is as long."""


class MemberRow(NamedTuple):
    """One file of a sample inside its shard."""

    ext: str
    """What follows the first dot of the name, e.g. "mp4", "json"."""
    offset: int
    size: int
    checksum: int | None
    """Low 32 bits of XXH3_64 of the bytes; None in an index that was made from headers only."""


class SampleRow(NamedTuple):
    """What the index says about one sample."""

    key: str
    members: tuple[MemberRow, ...]
    num_records: int
    """-1 when nobody looked."""
    facts: MediaFacts
    key_frames: KeyFrames | None = None
    """None in an index without GOP tables."""


def member_checksum(data: bytes | memoryview) -> int:
    """Low 32 bits of XXH3_64: what member_checksum holds."""
    return xxhash.xxh3_64_intdigest(data) & 0xFFFFFFFF


def damage(member: MemberRow, data: bytes | memoryview) -> str | None:
    """Why these are not the bytes of a member; None when they are, or when nobody knows its checksum."""
    if member.checksum is None or (found := member_checksum(data)) == member.checksum:
        return None
    return f".{member.ext} is damaged: checksum {found:08x}, the index expects {member.checksum:08x}"
