"""Threads of one process that bring the shards it wants next into a cache, soonest first.

Promises: `connections` threads for all sources together, each with one request in flight; a shard of up to two parts is
one request, a larger one is divided among the threads. What another process of the node brings is waited for, and
taken over if that process dies. A shard enters the cache with the size and checksum that its index says, or not at all:
one that differs is downloaded once more, and if that is of no use it is left to be read by range, where the checksums
of members refuse just what is damaged. Where the index has no checksum, the store must say the same of the shard
before and after.

Threads start when a shard is wanted, so a fork before that is fine; later ones are refused. They end with `close`, with
the process, and when the last source that wants something is dropped; unfinished parts are removed then.
`close` gives up requests under way, those of readers too; with a source that cannot (`cancel`) it waits a second, and
the threads end when their requests do.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial

from shards.base.counters import Counters
from shards.base.errors import SourceError
from shards.base.printing import logger
from shards.cache.shard_cache import CachedShard, Reservation, ShardCache
from shards.cache.want_list import State, Wanted, WantList

PART_BYTES = 32 << 20
COUNTS = ("hits", "ranges_cold", "ranges_no_room", "ranges_other", "parts", "bytes", "seconds_waited")
"""What is counted; `Downloads.snapshot` says what each means."""
_POLL_SECONDS = 0.05
"""Between two looks at a shard that another process brings."""
_RANGES_FREE, _RANGES_SHARE = 64 << 20, 8
"""Bytes that a cold start may read by range at once, and one for so many that were downloaded."""
_RANGE_COSTS = 128 << 10
"""Bytes that the least range counts as: a request takes as much of the processor, and of a connection's time."""
_log = logger(__name__)


class Downloads:
    """Shared by the cached sources of one process."""

    def __init__(
        self,
        cache: ShardCache,
        connections: int = 4,
        part_bytes: int = PART_BYTES,
        patience: float = 300.0,
        grace: float = 1.0,
    ) -> None:
        """patience: seconds after which a shard that another process downloads is read by range, because that process
        may be stopped or hang. grace: seconds that `close` waits for the threads."""
        self.cache = cache
        self.counts = Counters(*COUNTS)
        self.changed = threading.Condition()
        """Held while lists change; notified afterwards. Finalizers take it, so its holders must not wait for others."""
        self._connections, self._part_bytes = connections, part_bytes
        self._patience, self._grace = patience, grace
        self._ranged = 0
        self._lists: list[WantList] = []
        self._dropped: list[tuple[WantList, Wanted]] = []
        self._parts: set[Reservation] = set()
        self._threads: list[threading.Thread] = []
        self._beginning = False
        """Whether a thread looks for a shard, or makes room for it."""
        self._pid: int | None = None
        self._closed = False

    def snapshot(self) -> dict[str, float]:
        """What this process did, all sources together: reads from local copies (hits), reads by range while the first
        shards come (ranges_cold), for lack of room (ranges_no_room), for other reasons (ranges_other: the download
        failed, or nobody announced the shard); parts and bytes downloaded, evictions, seconds that readers waited."""
        return self.counts.snapshot() | {"evictions": self.cache.evictions}

    def may_range(self) -> bool:
        """Whether ranges of a cold start may be read on: they must not take the link from the shards they wait for."""
        # Counters.get, because who asks may hold `changed`, which a finalizer may want while its thread counts.
        return self._ranged < _RANGES_FREE + self.counts.get("bytes") / _RANGES_SHARE

    def note_range(self, num_bytes: int) -> None:
        """Count a range of a cold start."""
        with self.changed:
            self._ranged += max(num_bytes, _RANGE_COSTS)

    def check(self) -> None:
        """Raise ValueError when nothing will come any more: after `close`, and in a fork without the threads."""
        if self._is_elsewhere:
            raise ValueError(
                f"this source downloads in process {self._pid}, and this is process {os.getpid()}, a fork of it: the "
                "threads stayed behind; open it in the process that uses it"
            )
        if self._closed:
            raise ValueError("this source is closed")

    def want(self, list_: WantList, names: Iterable[tuple[float, str]]) -> None:
        """Replace what one source wants; (distance, name), soonest first."""
        self.check()
        with self.changed:
            self._replace(list_, names)
            if list_ not in self._lists:
                self._lists.append(list_)
            if list_.wanted:
                self._start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until every wanted shard is here or will not come, or `close`. False after so many seconds."""
        with self.changed:
            return self.changed.wait_for(
                lambda: self._closed or not any(list_.is_coming for list_ in self._lists), seconds
            )

    def leave(self, list_: WantList) -> None:
        """Want nothing more for a source. It may run in a finalizer: anywhere, in any thread."""
        if not self._is_elsewhere:
            with self.changed:
                self._replace(list_, ())
                self._lists = [other for other in self._lists if other is not list_]

    def close(self, wait: bool = True) -> None:
        """End the threads, remove unfinished parts, wake all who wait; calling it again does nothing.

        wait=False: have the threads do it when their requests end. It may run in a finalizer: anywhere, in any thread.
        """
        if self._is_elsewhere:
            return
        with self.changed:
            self._closed = True
            self.changed.notify_all()
            threads, parts, lists = list(self._threads), list(self._parts), list(self._lists)
        if not wait:
            return
        for list_ in lists:
            list_.cancel()
        for part in parts:
            part.abandon()
        end = time.monotonic() + self._grace
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    @property
    def _is_elsewhere(self) -> bool:
        return self._pid not in (None, os.getpid())

    def _replace(self, list_: WantList, names: Iterable[tuple[float, str]]) -> None:
        dropped = list_.replace(names)
        # Others are seen to by the thread that is at work on them.
        self._dropped += [(list_, wanted) for wanted in dropped if wanted.reservation and not wanted.in_flight]
        self.changed.notify_all()

    # ------------------------------------------------------------ threads

    def _start(self) -> None:
        if not self._threads:
            self._pid = os.getpid()
            atexit.register(self.close)
        while len(self._threads) < self._connections:
            # Daemons, so that the end of the process does not wait for them before `close` is called.
            thread = threading.Thread(target=self._run, name="shards-download", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self) -> None:
        while (work := self._next()) is not None:
            list_, wanted, part = work
            del work
            try:
                if part is None:
                    self._begin(list_, wanted)
                else:
                    self._bring(list_, wanted, *part)
            except Exception as error:
                self._settle(list_, wanted, "failed", error)
            if part is None:
                with self.changed:
                    self._beginning = False
                    self.changed.notify_all()
            del list_, wanted  # or a waiting thread would keep them alive

    def _next(self) -> tuple[WantList, Wanted, tuple[int, int] | None] | None:
        """Wait for work, the soonest first: a part, or a shard to begin with (None). None: end."""
        with self.changed:
            while self._lists and not self._closed:
                if self._dropped and not self._beginning:
                    self._beginning = True
                    return *self._dropped.pop(), None
                now = time.monotonic()
                soonest = min(self._open(now), key=lambda found: found[0], default=None)
                if soonest is None:
                    self.changed.wait(self._pause(now))
                    continue
                _, list_, wanted = soonest
                if wanted.parts:
                    wanted.in_flight += 1
                    return list_, wanted, wanted.parts.popleft()
                wanted.state, self._beginning = "busy", True
                return list_, wanted, None
            self._threads.remove(threading.current_thread())
            parts: list[Reservation] = []
            if not self._threads:
                atexit.unregister(self.close)
                parts, self._parts, self._dropped = list(self._parts), set(), []
        for part in parts:
            part.abandon()
        return None

    def _open(self, now: float) -> Iterator[tuple[tuple[float, int], WantList, Wanted]]:
        """The first shard of each list at which there is something to do."""
        for list_ in self._lists:
            for number, wanted in enumerate(list_.wanted.values()):
                is_due = wanted.state == "queued" or (wanted.state == "elsewhere" and wanted.due <= now)
                # One at a time, or a shard could take the room of one that is needed sooner.
                if wanted.parts or (is_due and not self._beginning):
                    yield (wanted.distance, number), list_, wanted
                    break

    def _pause(self, now: float) -> float | None:
        """Until it is time to look whether another process has brought something; None: there is no such thing."""
        dues = [w.due for list_ in self._lists for w in list_.wanted.values() if w.state == "elsewhere"]
        return max(0.0, min(dues) - now) if dues and not self._beginning else None

    def _begin(self, list_: WantList, wanted: Wanted) -> None:
        """Look for a shard; reserve room for it if it is not here."""
        if wanted.is_dropped:
            return self._settle(list_, wanted, "dropped")
        shard = list_.find(wanted.name)
        if shard is not None:
            return self._settle(list_, wanted, "here", shard=shard)
        got = self.cache.reserve(list_.identity(wanted.name), wanted.size, self._distance)
        if got == "no room":
            return self._settle(list_, wanted, "no room")
        if got == "here":
            return self._settle(list_, wanted, "queued")
        if got == "elsewhere":
            now = time.monotonic()
            wanted.due = now + _POLL_SECONDS
            wanted.patience = min(wanted.patience, now + self._patience)
            if now > wanted.patience:
                raise SourceError(f"another process has been downloading it for {self._patience:.0f} s")
            return self._settle(list_, wanted, "elsewhere")
        wanted.reservation = got
        with self.changed:
            self._parts.add(got)
            is_wanted = not wanted.is_dropped and not self._closed
            if is_wanted:
                wanted.parts.extend(divide(wanted.size, self._part_bytes))
                self.changed.notify_all()
        if not is_wanted:
            self._settle(list_, wanted, "dropped")

    def _distance(self, identity: str) -> float:
        return min((list_.distance(identity) for list_ in self._lists), default=math.inf)

    def _bring(self, list_: WantList, wanted: Wanted, offset: int, length: int) -> None:
        """One part; whoever brings the last one sees to the whole."""
        reservation = wanted.reservation
        assert reservation is not None
        error: Exception | None = None
        try:
            list_.bring(wanted.name, offset, length, partial(self._write, reservation))
            self.counts.add("parts")
            self.counts.add("bytes", length)
        except Exception as failure:
            error = failure
        with self.changed:
            wanted.in_flight -= 1
            if error is not None:
                wanted.error = wanted.error or error
                wanted.parts.clear()
            if wanted.in_flight or wanted.parts:
                return
        if wanted.error is not None:
            self._settle(list_, wanted, "failed", wanted.error)
        elif wanted.is_dropped or self._closed:
            self._settle(list_, wanted, "dropped")
        elif self._is_right(list_, wanted, reservation):
            shard = reservation.commit()
            self._settle(list_, wanted, "here" if shard is not None else "dropped", shard=shard)
        elif not wanted.parts:
            self._settle(list_, wanted, "failed")

    def _write(self, reservation: Reservation, offset: int, data: bytes) -> None:
        try:
            reservation.write(offset, data)
        except OSError as error:
            self.cache.full(error)
            # no OSError, which the source would take for one of the connection, and try again
            raise RuntimeError(f"the cache's disk: {error}") from error

    def _is_right(self, list_: WantList, wanted: Wanted, reservation: Reservation) -> bool:
        """Whether it is what the index says; False with parts left to bring: once more. SourceError, DatasetError."""
        if not wanted.checksum:
            list_.check_unchanged(wanted.name)
            return True
        digest = reservation.checksum()
        if digest == wanted.checksum:
            return True
        url = f"{list_.url}/{wanted.name}"
        if not wanted.digest:
            _log.info("%s: has checksum %s, the index expects %s; downloaded again", url, digest, wanted.checksum)
            wanted.digest = digest
            with self.changed:
                if not wanted.is_dropped:
                    wanted.parts.extend(divide(wanted.size, self._part_bytes))
                    self.changed.notify_all()
            return False
        list_.check_unchanged(wanted.name)
        if digest != wanted.digest:
            raise SourceError(f"{url}: has other bytes each time it is downloaded; something on the way damages them")
        _log.warning(
            "%s: has checksum %s, the index expects %s; it is not cached but read by range, so that no more than the "
            "damaged samples is lost; python -m shards verify names them: copy the shard again from where it is whole",
            *(url, digest, wanted.checksum),
        )
        return False

    def _settle(
        self,
        list_: WantList,
        wanted: Wanted,
        state: State,
        error: Exception | None = None,
        shard: CachedShard | None = None,
    ) -> None:
        """Say how far a shard came. The part of one that did not arrive is removed."""
        reservation, wanted.reservation = wanted.reservation, None
        if reservation is not None:
            reservation.abandon()  # does nothing to a shard that arrived
        if error is not None and not wanted.is_dropped and not self._closed:
            what = f"{type(error).__name__}: {error}"
            _log.warning("%s/%s: not cached but read by range (%s)", list_.url, wanted.name, what)
        with self.changed:
            if reservation is not None:
                self._parts.discard(reservation)
            if wanted.is_dropped:
                return
            wanted.state, wanted.error = state, error
            if shard is not None:
                list_.here[wanted.name] = shard
            if state == "no room":
                for other in list_.wanted.values():  # needed later still, so it would find no room either
                    if other.state == "queued" and other.distance >= wanted.distance:
                        other.state = state
            list_.warm_up()
            self.changed.notify_all()


def divide(size: int, part_bytes: int) -> list[tuple[int, int]]:
    """(offset, length) of the requests that bring a shard."""
    if size <= 2 * part_bytes:
        return [(0, size)]
    return [(offset, min(part_bytes, size - offset)) for offset in range(0, size, part_bytes)]
