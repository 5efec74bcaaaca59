"""The text records of a sample, read without its medium; shards/records.py has the rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shards.index import MAX_TEXT_BYTES
from shards.members import MemberRules, choose
from shards.records import TextError, parse
from shards.source import Source


def read_records(
    shards: Source, shard: str, members: Sequence[tuple[str, int, int]], rules: MemberRules
) -> list[dict[str, Any]]:
    """The records of a sample with these members (ext, offset, size). Raises MemberError, SourceError."""
    chosen = choose([ext for ext, _, _ in members], rules)
    json, txt = (None if number is None else _read(shards, shard, *members[number]) for number in chosen[1:])
    return parse(json, txt, rules).records


def _read(shards: Source, shard: str, ext: str, offset: int, size: int) -> bytes:
    if not 0 <= size <= MAX_TEXT_BYTES or offset < 0:
        raise TextError(f".{ext} has {size} bytes at {offset}, the limit is {MAX_TEXT_BYTES}")
    data = shards.read(shard, offset, size)
    if len(data) < size:
        raise TextError(
            f".{ext} should be bytes {offset} to {offset + size}, the shard ends after {offset + len(data)}"
        )
    return data
