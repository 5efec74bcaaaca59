"""The text records of a sample, read without its medium; shards/dataset/members/records.py has the rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shards.dataset.index.rows import MAX_TEXT_BYTES
from shards.dataset.members.members import TEXTS, UNWRITTEN, MemberRules, roles
from shards.dataset.members.records import TextError, parse
from shards.storage.source import Source


def read_records(
    shards: Source, shard: str, members: Sequence[tuple[str, int, int]], rules: MemberRules = UNWRITTEN
) -> list[dict[str, Any]]:
    """The records of a sample with these members (ext, offset, size). Raises TextError, SourceError."""
    found = roles([ext for ext, _, _ in members], rules)
    texts = {role: _read(shards, shard, *member) for role, member in zip(found, members, strict=True) if role in TEXTS}
    return parse(texts.get("json"), texts.get("txt"), rules).records


def _read(shards: Source, shard: str, ext: str, offset: int, size: int) -> bytes:
    if not 0 <= size <= MAX_TEXT_BYTES or offset < 0:
        raise TextError(f".{ext} has {size} bytes at {offset}, the limit is {MAX_TEXT_BYTES}")
    data = shards.read(shard, offset, size)
    if len(data) < size:
        raise TextError(
            f".{ext} should be bytes {offset} to {offset + size}, the shard ends after {offset + len(data)}"
        )
    return data
