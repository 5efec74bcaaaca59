"""Single: one sample read by itself, with care: its members lie far apart, or something is wrong with it that its
error has to name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shards.base.errors import SourceError
from shards.dataset.index.index import Index
from shards.dataset.index.rows import MAX_MEDIA_BYTES, MAX_TEXT_BYTES, MemberRow
from shards.dataset.members.choice import Chosen, MemberError, choose
from shards.read.elements import Elements
from shards.read.fetched import Fetched
from shards.read.sample import Origin, SampleError
from shards.read.spans import MAX_GAP
from shards.read.verified import Verified
from shards.storage.source import Source

if TYPE_CHECKING:
    from shards.cache.cached_source import CachedSource


class SingleReads:
    """Reads of single samples of one dataset; threads may share it."""

    def __init__(self, index: Index, elements: Elements, verified: Verified) -> None:
        self._index, self._elements, self._verified = index, elements, verified

    def fetch(
        self, source: Source, cache: CachedSource | None, shard: int, sample: int, record: int | None
    ) -> Fetched | SampleError:
        """One sample, or what is wrong with its data. Raises SourceError.

        cache: the source, if it is a cache: a damaged sample is then read once more, from the store behind it.
        """
        origin = self._elements.origin(shard, sample)
        try:
            members, chosen = self._find(origin, shard, sample)
            pieces = _read(source, origin.shard, members)
            if self._verified.are_due(shard, [sample])[0]:
                reason = _first_damage(members, pieces)
                if reason is not None and cache is not None:
                    # The copy may be damaged, and another thread may have dropped it since: the store decides.
                    cache.forget(origin.shard)
                    pieces = _read(self._index.shard_source, origin.shard, members)
                    reason = _first_damage(members, pieces)
                if reason is not None:
                    return SampleError(origin, reason)
                self._verified.note(shard, sample)
        except SampleError as error:
            return error
        texts = iter(pieces[1:])
        json, txt = (None if number is None else next(texts) for number in chosen[1:])
        return Fetched(sample, record, pieces[0], json, txt)

    def _find(self, origin: Origin, shard: int, sample: int) -> tuple[list[MemberRow], Chosen]:
        """The medium and the texts there are, of sizes and places that make sense. Raises SampleError."""
        members, shard_bytes = self._index.rows(shard).members(sample), int(self._index.shards.bytes[shard])
        try:
            chosen = choose([member.ext for member in members], self._index.rules)
        except MemberError as error:
            raise SampleError(origin, str(error)) from error
        for number, limit in zip(chosen, (MAX_MEDIA_BYTES, MAX_TEXT_BYTES, MAX_TEXT_BYTES), strict=True):
            if number is None:
                continue
            member = members[number]
            if not 0 <= member.size <= limit:
                raise SampleError(origin, f".{member.ext} has {member.size} bytes, the limit is {limit}")
            stop = member.offset + member.size
            if member.offset < 0 or stop > shard_bytes:
                raise SampleError(origin, f".{member.ext} should be bytes {member.offset} to {stop} of {shard_bytes}")
        return [members[number] for number in chosen if number is not None], chosen


def _read(source: Source, shard: str, members: list[MemberRow]) -> list[bytes]:
    """The bytes of members, in one read unless they lie far apart. Raises SourceError."""
    start = min(member.offset for member in members)
    length = max(member.offset + member.size for member in members) - start
    if length > sum(member.size for member in members) + MAX_GAP:
        pieces = [source.read(shard, member.offset, member.size) for member in members]
    else:
        span = source.read(shard, start, length)
        pieces = [span[member.offset - start :][: member.size] for member in members]
    for member, data in zip(members, pieces, strict=True):
        if len(data) != member.size:
            # The shard is large enough, so this is the store's fault and not the sample's.
            what = f"{len(data)} of {member.size} bytes of .{member.ext} at {member.offset}"
            raise SourceError(f"{source.url}/{shard}: gave only {what}")
    return pieces


def _first_damage(members: list[MemberRow], pieces: list[bytes]) -> str | None:
    damages = (member.damage(data) for member, data in zip(members, pieces, strict=True))
    return next((reason for reason in damages if reason is not None), None)
