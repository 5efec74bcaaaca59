"""Downloads: the threads of one process that bring the shards it wants next into a cache, soonest first.

Promises: `connections` threads for all sources together, each with one request in flight. What a reader waits for comes
first, then what is used soonest. A request brings as many adjacent parts of a shard as it may; but only one part at
first, when a cold start begins with more shards in use than there are threads, so that all of them have something
soon; and where little is left to bring the threads share it. What another process of the node brings is waited for,
and taken over if that process dies. transfers.py says how one shard is brought and checked.

Threads start when a shard is wanted, so a fork before that is fine; later ones are refused. They end with `close`, with
the process, and when the last source that wants something is dropped; unfinished parts are removed then.
`close` cancels requests in flight, those of readers too; with a source that cannot (`cancel`) it waits a second, and
the threads end when their requests do.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping

from shards.cache.reservation import Reservation
from shards.cache.shard_cache import ShardCache
from shards.cache.transfers import Transfers
from shards.cache.want_list import NO_STARTS, Wanted, WantList

_PART_BYTES = 8 << 20
_MOST_PARTS = 8
"""Parts of one request."""


class Downloads:
    """The downloads of one process, shared by its cached sources."""

    def __init__(
        self,
        cache: ShardCache,
        connections: int = 8,
        part_bytes: int = _PART_BYTES,
        patience: float = 300.0,
        grace: float = 1.0,
    ) -> None:
        """patience: seconds after which a shard that another process downloads is read by range, because that process
        may be stopped or hang. grace: seconds that `close` waits for the threads."""
        self.cache = cache
        self.changed = threading.Condition()
        """Held while lists change; notified afterwards. Finalizers take it, so its holders must not wait for others."""
        self._transfers = Transfers(cache, self.changed, part_bytes, patience)
        self.counts = self._transfers.counts
        self._connections, self._grace = connections, grace
        self._lists: list[WantList] = []
        self._dropped: list[tuple[WantList, Wanted]] = []
        self._threads: list[threading.Thread] = []
        self._beginning = False
        """True while a thread looks for a shard, or makes room for it."""
        self._pid: int | None = None
        """The process whose threads these are; None before the first."""

    def snapshot(self) -> dict[str, float]:
        """The counts of this process, all sources together.

        Reads from local copies, whole or not yet (hits); reads by range while the first shards come (ranges_cold), for
        lack of room (ranges_no_room), for other reasons (ranges_other: the download failed, or nobody announced the
        shard); requests that brought parts of shards, and their bytes; evictions; seconds that readers waited.
        """
        return self.counts.snapshot() | {"evictions": self.cache.evictions}

    def check(self) -> None:
        """Raise ValueError when nothing will come any more: after `close`, and in a fork without the threads."""
        if self._is_elsewhere:
            raise ValueError(
                f"this source downloads in process {self._pid}, and this is process {os.getpid()}, a fork of it: the "
                "threads stayed behind; open it in the process that uses it"
            )
        if self._transfers.is_closed:
            raise ValueError("this source is closed")

    def want(
        self,
        list_: WantList,
        names: Iterable[tuple[float, str]],
        starts: Mapping[str, int] = NO_STARTS,
        per_byte: float = 0.0,
    ) -> None:
        """Replace what one source wants: (distance of the next use, name), soonest first. starts, per_byte: as
        `CachedSource.want`."""
        self.check()
        with self.changed:
            list_.per_byte = per_byte
            self._replace(list_, names, starts)
            if list_ not in self._lists:
                self._lists.append(list_)
            if list_.wanted:
                self._start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until every wanted shard is here or will not come, or for `close`; False after so many seconds."""
        with self.changed:
            return self.changed.wait_for(
                lambda: self._transfers.is_closed or not any(list_.is_coming for list_ in self._lists), seconds
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
            self._transfers.is_closed = True
            self.changed.notify_all()
            threads, lists = list(self._threads), list(self._lists)
            unfinished = list(self._transfers.reservations)
        if not wait:
            return
        for list_ in lists:
            list_.cancel()
        for reservation in unfinished:
            reservation.abandon()
        end = time.monotonic() + self._grace
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    @property
    def _is_elsewhere(self) -> bool:
        return self._pid not in (None, os.getpid())

    def _replace(
        self, list_: WantList, names: Iterable[tuple[float, str]], starts: Mapping[str, int] = NO_STARTS
    ) -> None:
        dropped = list_.replace(names, starts)
        # A shard whose parts are in flight is settled by the thread that brings the last of them.
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
                    self._transfers.begin(list_, wanted, self._next_use)
                else:
                    self._transfers.bring(list_, wanted, *part)
            except Exception as error:
                self._transfers.settle(list_, wanted, "failed", error)
            if part is None:
                with self.changed:
                    self._beginning = False
                    self.changed.notify_all()
            del list_, wanted  # or a waiting thread would keep them alive

    def _next(self) -> tuple[WantList, Wanted, tuple[int, int] | None] | None:
        """Wait for the work that is needed soonest: a part to bring, or a shard to begin with (None). None: the end."""
        with self.changed:
            while self._lists and not self._transfers.is_closed:
                if self._dropped and not self._beginning:
                    self._beginning = True
                    return *self._dropped.pop(), None
                now = time.monotonic()
                soonest = min(self._open(now), key=lambda found: found[0], default=None)
                if soonest is None:
                    self.changed.wait(self._pause(now))
                    continue
                _, list_, wanted = soonest
                if wanted.parts is not None:
                    wanted.in_flight += 1
                    return list_, wanted, wanted.parts.take(self._most_parts(list_, wanted))
                wanted.state, self._beginning = "busy", True
                return list_, wanted, None
            self._threads.remove(threading.current_thread())
            unfinished: list[Reservation] = []
            if not self._threads:
                atexit.unregister(self.close)
                unfinished, self._dropped = list(self._transfers.reservations), []
                self._transfers.reservations.clear()
        for reservation in unfinished:
            reservation.abandon()
        return None

    def _open(self, now: float) -> Iterator[tuple[tuple[bool, float, int], WantList, Wanted]]:
        """((False if a reader waits for it, distance, place in its list), list, shard) of the shards that need work: of
        each list those that were begun, and the first of the others."""
        for list_ in self._lists:
            # One at a time, or a shard could take the room of one that is needed sooner.
            may_begin = not self._beginning
            for number, wanted in enumerate(list_.wanted.values()):
                if (parts := wanted.parts) is not None:
                    if parts.num_open:
                        distance = wanted.distance + list_.per_byte * parts.next_bytes
                        yield (not parts.is_asked_for, distance, number), list_, wanted
                elif may_begin and (wanted.state == "queued" or (wanted.state == "elsewhere" and wanted.due <= now)):
                    may_begin = False
                    yield (True, wanted.distance, number), list_, wanted

    def _most_parts(self, list_: WantList, wanted: Wanted) -> int:
        """How many parts of a shard the next request may bring."""
        if list_.is_cold and wanted.is_untouched and wanted.distance == 0:
            others = (other for other in list_.wanted.values() if other is not wanted and other.distance == 0)
            if sum(other.is_untouched for other in others) >= self._connections:
                return 1
        left = sum(
            each.num_open or (each.state == "queued" and each.size // self._transfers.part_bytes)
            for list_ in self._lists
            for each in list_.wanted.values()
        )
        return min(_MOST_PARTS, max(1, -(-left // self._connections)))

    def _pause(self, now: float) -> float | None:
        """Seconds until a look at what other processes bring; None if there is nothing of that kind."""
        dues = [w.due for list_ in self._lists for w in list_.wanted.values() if w.state == "elsewhere"]
        return max(0.0, min(dues) - now) if dues and not self._beginning else None

    def _next_use(self, identity: str) -> float:
        return min((list_.distance(identity) for list_ in self._lists), default=math.inf)
