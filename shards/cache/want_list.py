"""WantList: the shards that one cached source wants next, what is known of each, and what becomes of it.

Promises: a shard is identified by its address, size and the checksum of its index, so nobody is asked about it; where
the index has no checksum, by what the store says of it (ETag, or else time), asked once. What does not fit is refused
as DatasetError. The fields change under the lock of the `Downloads` whose threads bring the shards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shards.base.errors import DatasetError, SourceError
from shards.base.printing import logger
from shards.cache.file_names import shard_identity
from shards.cache.held_file import CachedShard
from shards.cache.parts import Parts
from shards.cache.reservation import Reservation
from shards.cache.shard_cache import ShardCache
from shards.dataset.index.shard_table import check_shard_size
from shards.storage.source import Range, Source, Stat, Stats

_log = logger(__name__)

State = Literal["queued", "busy", "elsewhere", "here", "no room", "failed", "dropped"]
"""busy: a thread looks for it, or its parts are brought; elsewhere: another process brings it; dropped: no longer
wanted."""
_COMING = ("queued", "busy", "elsewhere")
_COLD_RANGES, _COLD_BYTES = 64, 16 << 20
"""What a cold start may read by range: about the first batch. More would take the line from the shards themselves."""


NO_STARTS: Mapping[str, int] = {}


@dataclass(eq=False, slots=True)
class Wanted:
    """One shard on its way."""

    name: str
    size: int
    checksum: str
    distance: float
    state: State = "queued"
    error: Exception | None = None
    due: float = 0.0
    """Monotonic time of the next look at a shard that another process brings."""
    patience: float = math.inf
    """Monotonic time after which looking is given up."""
    start: int = 0
    """The byte from which on it is used next."""
    parts: Parts | None = None
    """None: no room for it was reserved yet."""
    is_leaving: bool = False
    """True if it is only completed, for the next pass and for other processes: all that is used of it has come."""
    in_flight: int = 0
    """Requests that threads are making."""
    reservation: Reservation | None = None
    digest: str = ""
    """The checksum of the first download, if it is not the one of the index."""

    @property
    def is_coming(self) -> bool:
        return self.state in _COMING

    @property
    def is_dropped(self) -> bool:
        return self.state == "dropped"

    @property
    def num_open(self) -> int:
        """Its parts that no request has been made for; 0 if no room was reserved yet."""
        return 0 if self.parts is None else self.parts.num_open

    @property
    def is_untouched(self) -> bool:
        """True if it is still to come, and no request has been made for any of it."""
        return self.state == "queued" or (self.parts is not None and self.parts.is_untouched)

    def has(self, offset: int, length: int) -> bool:
        """True if these bytes have come, though not the whole."""
        return self.reservation is not None and self.parts is not None and self.parts.has(offset, length)


class WantList:
    """The wanted shards of one source."""

    def __init__(
        self,
        remote: Source,
        cache: ShardCache,
        shards: Mapping[str, tuple[int, str]],
        next_use: Callable[[str], float],
    ) -> None:
        """shards: name -> (bytes, XXH3_128 or ""), as the index has them."""
        self.url, self.shards, self.next_use = remote.url, shards, next_use
        self.wanted: dict[str, Wanted] = {}
        """Wanted shards by name, the one of the soonest next use first."""
        self.here: dict[str, CachedShard] = {}
        """The wanted shards that are here, held open so that no process evicts them."""
        self.per_byte = 0.0
        """The distance that one byte of a shard is later used than the one before it."""
        self.is_cold = True
        """True during the cold start, while shards of the first list are still to come."""
        self._ranges, self._range_bytes = _COLD_RANGES, _COLD_BYTES
        """Left of what the cold start may read by range."""
        self._first: set[str] = set()
        self._remote, self._cache = remote, cache
        self._stats: dict[str, Stat] = {}
        self._identities: dict[str, str] = {}
        self._names: dict[str, str] | None = None

    def replace(self, names: Iterable[tuple[float, str]], starts: Mapping[str, int] = NO_STARTS) -> list[Wanted]:
        """Want these (distance of the next use, name) from now on; those on their way stay. Returns those dropped.

        starts: the byte from which on a shard is used, where that is not the first one.
        """
        old, self.wanted = self.wanted, {}
        for distance, name in names:
            wanted = old.get(name)
            if wanted is None or wanted.state == "no room":
                wanted = Wanted(name, *self.shards[name], distance, start=starts.get(name, 0))
            if wanted.parts is not None and not wanted.parts.is_untouched:
                # What was begun is completed in its turn, also when this rank needs no more of it in this pass: another
                # process of the node may wait for the rest.
                distance = min(distance, wanted.distance)
            wanted.distance, wanted.is_leaving = distance, False
            self.wanted[name] = wanted
        if not old:
            self.is_cold, self._first = True, set(self.wanted)
            self._ranges, self._range_bytes = _COLD_RANGES, _COLD_BYTES
        gone = {name: wanted for name, wanted in old.items() if name not in self.wanted}
        if self.wanted:
            half = {name: wanted for name, wanted in gone.items() if wanted.parts is not None and wanted.parts.has_some}
            for wanted in half.values():
                wanted.is_leaving = True
            self.wanted = half | self.wanted
        dropped = [wanted for name, wanted in gone.items() if name not in self.wanted]
        for wanted in dropped:
            wanted.state = "dropped"
            if wanted.parts is not None:
                wanted.parts.drop()
            if (shard := self.here.pop(wanted.name, None)) is not None:
                shard.release()
        self.end_cold_start()
        return dropped

    def end_cold_start(self) -> None:
        """Not cold any more, if no shard of the first list is still to come."""
        if self.is_cold and self.wanted:
            self.is_cold = any(name in self.wanted and self.wanted[name].is_coming for name in self._first)

    def ask(self, ranges: Iterable[Range]) -> bool:
        """Have these bytes brought before others; False if requests for all that are begun were made already."""
        asked = [
            wanted.parts.ask(offset, length)
            for name, offset, length in ranges
            if (wanted := self.wanted.get(name)) is not None and wanted.parts is not None
        ]
        return any(asked)

    def may_range(self, lengths: Sequence[int]) -> bool:
        """True, and it counts, if these many bytes may be read by range because the cold start has not come far."""
        if not self.is_cold or len(lengths) > self._ranges or sum(lengths) > self._range_bytes:
            return False
        self._ranges -= len(lengths)
        self._range_bytes -= sum(lengths)
        return True

    @property
    def is_coming(self) -> bool:
        """True while a wanted shard is still on its way."""
        return any(wanted.is_coming for wanted in self.wanted.values())

    def identity(self, name: str) -> str:
        """Its name in the cache; asks the store once if the index has no checksum. Raises SourceError, DatasetError."""
        known = self._identities.get(name)
        if known is None:
            size, version = self.shards[name]
            if not version:
                (stat,) = self.stat_many([name])
                self._check_size(name, stat)
                version = stat.version
            if not version:
                raise SourceError(
                    f"{self.url}/{name}: is not cached: the index has no checksum of it and the store says neither "
                    "ETag nor time, so a copy might have other bytes; index it again without --headers"
                )
            known = self._identities[name] = shard_identity(self.url, name, size, version)
            if self._names is not None:
                self._names[known] = name
        return known

    def distance(self, identity: str) -> float:
        """The distance of the next use of a file of the cache; infinite for one that is not of this source."""
        if self._names is None:
            known = [name for name, (_, checksum) in self.shards.items() if checksum]
            self._names = {self.identity(name): name for name in [*known, *self._identities]}
        name = self._names.get(identity)
        return math.inf if name is None else self.next_use(name)

    def find(self, name: str) -> CachedShard | None:
        """The local copy, open. Raises SourceError, DatasetError, and OSError if the folder cannot be read."""
        identity = self.identity(name)
        shard = self._cache.find(identity)
        if shard is not None and shard.size != self.shards[name][0]:
            _log.warning(
                "%s: has %s bytes, which is not the size of its shard; removed", self._cache.path(identity), shard.size
            )
            self._cache.remove(identity, shard)
            return None
        return shard

    def stat_many(self, names: Sequence[str], known: bool = False) -> Stats:
        """`stat_many` of the store; the answers are kept, to notice when it says something else later."""
        said = self._remote.stat_many(names, known)
        for name, stat in zip(names, said, strict=True):
            self._stats.setdefault(name, stat)
        return said

    def bring(self, name: str, offset: int, length: int, write: Callable[[int, bytes], None]) -> None:
        """Give a byte range of a shard to `write` (offset, bytes), piece by piece where the source can."""
        fetch: Callable[..., int] | None = getattr(self._remote, "fetch", None)
        if fetch is not None:
            got = fetch(name, offset, length, write)
        else:
            data = self._remote.read(name, offset, length)
            write(offset, data)
            got = len(data)
        if got != length:
            self.check_unchanged(name)
            raise SourceError(f"{self.url}/{name}: gave {got} of {length} bytes at {offset}")

    def cancel(self) -> None:
        """Cancel the requests in flight, where the source can."""
        cancel: Callable[[], None] = getattr(self._remote, "cancel", lambda: None)
        cancel()

    def check_unchanged(self, name: str) -> None:
        """Raise DatasetError if a shard has another size than in the index, or another version than at first."""
        before, now = self._stats.get(name), self._remote.stat(name)
        self._check_size(name, now)
        if before is not None and now.version != before.version:
            raise DatasetError(
                f"{self.url}/{name}: was replaced while this run reads it ({before.version} before, {now.version} "
                "now): copy shards and index together again"
            )

    def _check_size(self, name: str, stat: Stat) -> None:
        check_shard_size(f"{self.url}/{name}", stat.size, self.shards[name][0])
