"""CachedSource: a remote source whose shards are read from copies on this node's disk.

Promises: what is read is what the index describes, from wherever it comes. During the cold start, while the first
wanted shards are on their way, what is not here yet is read by range at once, up to a share of what is downloaded;
afterwards reads wait for a wanted shard that is on its way. One whose download failed, or that found no room in the
cache, is read by range, as is whatever nobody announced. A local copy that cannot be read is dropped. Files that are no
shards of the index are read from the store.
"""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from shards.base.errors import DatasetError, SourceError
from shards.base.printing import logger
from shards.cache.downloads import Downloads
from shards.cache.held_file import CachedShard
from shards.cache.want_list import State, WantList
from shards.storage.source import Names, Pieces, Range, Source, Stat, Stats, check_range

_CAUSES = {"": "ranges_other", "failed": "ranges_other", "no room": "ranges_no_room"}
"""State of a shard -> the counter of its range reads ("": nobody announced it)."""
_log = logger(__name__)


class CachedSource:
    """`remote` through a cache. Threads may share it; a fork may use it until the first `want`."""

    def __init__(self, remote: Source, downloads: Downloads, shards: Mapping[str, tuple[int, str]]) -> None:
        """shards: name -> (bytes, XXH3_128 in hexadecimal digits or ""), as the index has them."""
        self.next_use: Callable[[str], float] = lambda name: math.inf
        """The distance of the next use of a shard, in a unit that all sources of the process share."""
        self.num_waiting = 0
        """The number of reads that wait for a shard just now."""
        self._remote, self.downloads = remote, downloads
        # What next_use refers to may well own this: the threads must not keep it alive.
        own = weakref.ref(self)
        self._list = WantList(
            remote,
            downloads.cache,
            shards,
            lambda name: math.inf if (source := own()) is None else source.next_use(name),
        )
        self._finalizer = weakref.finalize(self, downloads.leave, self._list)
        self._finalizer.atexit = False

    @property
    def url(self) -> str:
        return self._remote.url

    def want(self, names: Sequence[str]) -> None:
        """The shards that are needed next, soonest first: they are brought in this order, and kept while on the list.

        Replaces the earlier list. The time until the shards of the first list (or the first after an empty one) are
        here is a cold start: reads take byte ranges instead of waiting for the shard.
        """
        self.downloads.want(self._list, [(self.next_use(name), name) for name in names])

    def states(self) -> dict[str, State]:
        """The state of each wanted shard, soonest first."""
        with self.downloads.changed:
            return {name: wanted.state for name, wanted in self._list.wanted.items()}

    def forget(self, name: str) -> None:
        """Remove the local copy, which may be damaged: the shard is then read by range as long as it is wanted."""
        with self.downloads.changed:
            shard = self._list.here.pop(name, None)
            wanted = self._list.wanted.get(name)
            if wanted is not None and wanted.state == "here":
                wanted.state = "failed"
        with suppress(OSError, DatasetError):  # SourceError too
            shard = shard or self._list.find(name)
            if shard is not None:
                self.downloads.cache.remove(self._list.identity(name), shard)

    def close(self) -> None:
        """Want nothing more. The threads end with the last source that wants something."""
        self._finalizer()

    def list(self, suffix: str = "") -> Names:
        return self._remote.list(suffix)

    def stat(self, name: str) -> Stat:
        return self.stat_many([name])[0]

    def stat_many(self, names: Sequence[str], known: bool = False) -> Stats:
        """Size and identity of local copies, without asking the store. known: without waiting for a copy, either."""
        copies = [self._list.here.get(name) if known else self._local(name) for name in names]
        far = [name for name, copy in zip(names, copies, strict=True) if copy is None]
        said = iter(self._list.stat_many(far, known) if far else ())
        return [
            next(said) if copy is None else Stat(copy.size, self._list.identity(name)[:32])
            for name, copy in zip(names, copies, strict=True)
        ]

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        check_range(offset, length)
        copy = self._local(name)
        if copy is not None:
            start = max(0, copy.size + offset) if offset < 0 else offset
            data = self._read_copy(name, copy, start, copy.size if length is None else length)
            if data is not None:
                self.downloads.counts.add("hits")
                return data
        with self._by_range([(name, length or 0)]):
            return self._remote.read(name, offset, length)

    def read_many(self, ranges: Sequence[Range]) -> Pieces:
        copies = {name: self._local(name) for name in dict.fromkeys(name for name, _, _ in ranges)}
        pieces = [
            None if (copy := copies[name]) is None else self._read_copy(name, copy, offset, length)
            for name, offset, length in ranges
        ]
        missing = [range_ for range_, piece in zip(ranges, pieces, strict=True) if piece is None]
        self.downloads.counts.add("hits", len(ranges) - len(missing))
        if missing:
            with self._by_range([(name, length) for name, _, length in missing if length]):
                fetched = iter(self._remote.read_many(missing))
        return [next(fetched) if piece is None else piece for piece in pieces]

    def _read_copy(self, name: str, copy: CachedShard, offset: int, length: int) -> bytes | None:
        """Bytes of a copy; None, and the copy is removed, where the disk does not give what was written to it."""
        try:
            data = copy.read(offset, length)
            if len(data) == length or len(data) == min(length, max(0, copy.size - offset)):
                return data
            reason = "it was cut off"
        except OSError as error:
            reason = f"{type(error).__name__}: {error.strerror or error}"
        _log.warning(
            "%s/%s: its copy in %s cannot be read (%s); it is dropped and read from the store",
            *(self.url, name, self.downloads.cache.folder, reason),
        )
        self.forget(name)
        return None

    def _local(self, name: str) -> CachedShard | None:
        """The local copy, after waiting for one that is on its way; None: read it by range."""
        self.downloads.check()
        list_ = self._list
        shard = list_.here.get(name)
        if shard is not None or name not in list_.shards:
            return shard
        if self._is_worth_waiting(name):
            self._wait(name)
        wanted = list_.wanted.get(name)
        if wanted is not None and isinstance(wanted.error, DatasetError):
            raise DatasetError(str(wanted.error)) from wanted.error
        shard = list_.here.get(name)
        if shard is None and (wanted is None or wanted.is_coming):
            # OSError of the folder, or of a store that is asked for a version: the read by range will say so.
            with suppress(OSError):
                shard = list_.find(name)
        return shard

    def _is_worth_waiting(self, name: str) -> bool:
        wanted = self._list.wanted.get(name)
        return wanted is not None and wanted.is_coming and not (self._list.is_cold and self.downloads.may_range())

    def _wait(self, name: str) -> None:
        start = time.monotonic()
        with self.downloads.changed:
            self.num_waiting += 1
            try:
                while self._is_worth_waiting(name):
                    self.downloads.changed.wait()
                    self.downloads.check()
            finally:
                self.num_waiting -= 1
        self.downloads.counts.add("seconds_waited", time.monotonic() - start)

    @contextmanager
    def _by_range(self, ranges: Sequence[tuple[str, int]]) -> Iterator[None]:
        """Count ranges (shard, bytes) by their cause; an error of theirs also tells why there is no local copy."""
        shards = [(self._list.wanted.get(name), length) for name, length in ranges if name in self._list.shards]
        for one, length in shards:
            cause = _CAUSES.get(one.state if one else "", "ranges_cold")
            self.downloads.counts.add(cause)
            if cause == "ranges_cold":
                self.downloads.note_range(length)
        try:
            yield
        except SourceError as error:
            for reason in dict.fromkeys(str(one.error) for one, _ in shards if one and one.error):
                error.add_note(f"its download into the cache had failed too: {reason}")
            raise
