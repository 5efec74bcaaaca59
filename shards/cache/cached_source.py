"""CachedSource: a remote source whose shards are read from copies on this node's disk.

Promises: what is read is what the index describes, from wherever it comes. Of a wanted shard that is on its way bytes
are given as soon as they have come; they are as good as those of a range, whose checksums the reader compares, and the
whole is compared before it becomes a copy. A cold start reads the first bytes by range, about a batch of them;
afterwards reads wait. A shard whose download failed, or that found no room in the cache, is read by range, as is
whatever nobody announced. A local copy that cannot be read is dropped. Files that are no shards of the index are read
from the store.
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
from shards.cache.held_file import CachedShard, HeldFile
from shards.cache.want_list import NO_STARTS, State, WantList
from shards.storage.pread import read_ranges
from shards.storage.source import Names, Pieces, Range, Source, Stat, Stats, check_range

_CAUSES = {"": "ranges_other", "failed": "ranges_other", "no room": "ranges_no_room"}
"""State of a shard -> the counter of its range reads ("": nobody announced it)."""
_Pieces = list[bytes | None]
_Files = list[HeldFile | None]
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

    def want(self, names: Sequence[str], starts: Mapping[str, int] = NO_STARTS, per_byte: float = 0.0) -> None:
        """The shards that are needed next, soonest first: they are brought in this order, and kept while on the list.

        Replaces the earlier list. The time until the shards of the first list (or the first after an empty one) are
        here is a cold start. starts: the byte from which on a shard is used, where that is not its first one. per_byte:
        how much later, as a distance, each byte is used than the one before it.
        """
        self.downloads.want(self._list, [(self.next_use(name), name) for name in names], starts, per_byte)

    def states(self) -> dict[str, State]:
        """The state of each wanted shard, soonest first."""
        with self.downloads.changed:
            return {name: wanted.state for name, wanted in self._list.wanted.items()}

    def are_here(self, names: Sequence[str]) -> bool:
        """True if all of these shards are known to be here, whole."""
        return all(name in self._list.here for name in names)

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
        """Size and identity of local copies, without asking the store. known: without looking for a copy, either."""
        copies = [self._list.here.get(name) if known else self._copy_of(name) for name in names]
        far = [name for name, copy in zip(names, copies, strict=True) if copy is None]
        said = iter(self._list.stat_many(far, known) if far else ())
        return [
            next(said) if copy is None else Stat(copy.size, self._list.identity(name)[:32])
            for name, copy in zip(names, copies, strict=True)
        ]

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        check_range(offset, length)
        self.downloads.check()
        if name not in self._list.shards:
            return self._remote.read(name, offset, length)
        size = self._list.shards[name][0]
        start = max(0, size + offset) if offset < 0 else offset
        return self.read_many([(name, start, max(0, size - start) if length is None else length)])[0]

    def read_many(self, ranges: Sequence[Range]) -> Pieces:
        self._wait_for(ranges)
        pieces = self._read_here(ranges)
        missing = [range_ for range_, piece in zip(ranges, pieces, strict=True) if piece is None]
        self.downloads.counts.add("hits", len(ranges) - len(missing))
        if missing:
            with self._by_range([name for name, _, length in missing if length]):
                fetched = iter(self._remote.read_many(missing))
        return [next(fetched) if piece is None else piece for piece in pieces]

    def _read_here(self, ranges: Sequence[Range]) -> _Pieces:
        """Bytes of copies, or of what has come of shards, in one call; None: read them by range."""
        files = self._files_with(ranges)
        # What lies behind the end of a shard is not read.
        sizes = self._list.shards
        held = [
            (number, file, offset, min(length, max(0, sizes[name][0] - offset)))
            for number, (file, (name, offset, length)) in enumerate(zip(files, ranges, strict=True))
            if file is not None and file.fd >= 0
        ]
        found = read_ranges([one[1].fd for one in held], [one[2] for one in held], [one[3] for one in held])
        pieces: _Pieces = [None] * len(ranges)
        for (number, file, offset, length), piece in zip(held, found, strict=True):
            if len(piece) == length:
                pieces[number] = piece
            elif isinstance(file, CachedShard):
                pieces[number] = self._read_copy(ranges[number][0], file, offset, length)
        return pieces

    def _files_with(self, ranges: Sequence[Range]) -> _Files:
        """For each range, the file that has its bytes: a copy, or the unfinished one of a shard that is on its way."""
        copies = {name: self._copy_of(name) for name in dict.fromkeys(name for name, _, _ in ranges)}
        files: _Files = [copies[name] for name, _, _ in ranges]
        if all(files):
            return files
        with self.downloads.changed:
            for number, (name, offset, length) in enumerate(ranges):
                wanted = self._list.wanted.get(name)
                if files[number] is None:
                    there = wanted is not None and wanted.has(offset, length)
                    # It may have become whole since.
                    files[number] = self._list.here.get(name) or (wanted.reservation if wanted and there else None)
        return files

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

    def _copy_of(self, name: str) -> CachedShard | None:
        """The local copy; None if it is not here."""
        self.downloads.check()
        list_ = self._list
        shard = list_.here.get(name)
        if shard is not None or name not in list_.shards:
            return shard
        wanted = list_.wanted.get(name)
        if wanted is not None and isinstance(wanted.error, DatasetError):
            raise DatasetError(str(wanted.error)) from wanted.error
        shard = list_.here.get(name)
        if shard is None and (wanted is None or wanted.is_coming) and not (wanted and wanted.reservation):
            # OSError of the folder, or of a store that is asked for a version: the read by range will say so.
            with suppress(OSError):
                shard = list_.find(name)
        return shard

    def _is_coming(self, name: str, offset: int, length: int) -> bool:
        """True if a wanted shard is on its way, but not yet these bytes of it."""
        wanted = self._list.wanted.get(name)
        return wanted is not None and length > 0 and wanted.is_coming and not wanted.has(offset, length)

    def _wait_for(self, ranges: Sequence[Range]) -> None:
        """Wait until these ranges have come or will not come, unless a cold start may read them by range."""
        self.downloads.check()
        list_ = self._list
        if all(name in list_.here or name not in list_.wanted for name, _, _ in ranges):
            return
        with self.downloads.changed:
            coming = [range_ for range_ in ranges if self._is_coming(*range_)]
            if not coming or list_.may_range([length for _, _, length in coming]):
                return
            start = time.monotonic()
            self.num_waiting += 1
            try:
                if list_.ask(coming):
                    self.downloads.changed.notify_all()
                for range_ in coming:
                    while self._is_coming(*range_):
                        self.downloads.changed.wait()
                        self.downloads.check()
                        if list_.ask([range_]):  # its shard had not been begun before
                            self.downloads.changed.notify_all()
            finally:
                self.num_waiting -= 1
        self.downloads.counts.add("seconds_waited", time.monotonic() - start)

    @contextmanager
    def _by_range(self, names: Sequence[str]) -> Iterator[None]:
        """Count ranges of shards by their cause; an error of theirs also tells why there is no local copy."""
        shards = [self._list.wanted.get(name) for name in names if name in self._list.shards]
        for one in shards:
            self.downloads.counts.add(_CAUSES.get(one.state if one else "", "ranges_cold"))
        try:
            yield
        except SourceError as error:
            for reason in dict.fromkeys(str(one.error) for one in shards if one and one.error):
                error.add_note(f"its download into the cache had failed too: {reason}")
            raise
