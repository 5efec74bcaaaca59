"""Transfers: how one shard comes from a store into the cache.

A thread of `Downloads` begins with a shard: it looks for a copy, and reserves room if there is none. Then threads bring
its parts, one request for one or more of them; readers may have what has come of them at once (`Wanted.has`), and
whoever brings the last one checks the whole and commits it.
Promises: a shard enters the cache with the size and checksum of its index, or not at all. One whose checksum differs is
downloaded once more; if that does not help, it is left to be read by range, where the checksums of members refuse just
what is damaged. Where the index has no checksum, the store must say the same of the shard before and after.
"""

from __future__ import annotations

import threading
import time
from functools import partial

from shards.base.counters import Counters
from shards.base.errors import PrintableError, SourceError
from shards.base.printing import logger
from shards.cache.eviction import NextUse
from shards.cache.held_file import CachedShard
from shards.cache.parts import Parts
from shards.cache.reservation import Reservation
from shards.cache.shard_cache import ShardCache
from shards.cache.want_list import State, Wanted, WantList

COUNTS = ("hits", "ranges_cold", "ranges_no_room", "ranges_other", "parts", "bytes", "seconds_waited")
"""Names of the counters; `Downloads.snapshot` says what each means."""
_POLL_SECONDS = 0.05
"""The time between two looks at a shard that another process brings."""
_log = logger(__name__)


class Transfers:
    """The shards that the threads of one process bring."""

    def __init__(self, cache: ShardCache, changed: threading.Condition, part_bytes: int, patience: float) -> None:
        """changed: held while want lists change, and notified afterwards. patience: of `Downloads`."""
        self.counts = Counters(*COUNTS)
        self.reservations: set[Reservation] = set()
        """Reservations for the shards that are being brought."""
        self.is_closed = False
        self._cache, self._changed = cache, changed
        self.part_bytes, self._patience = part_bytes, patience

    def begin(self, list_: WantList, wanted: Wanted, next_use: NextUse) -> None:
        """Look for a shard; reserve room for it if it is not here. next_use: for the eviction of others."""
        if wanted.is_dropped:
            return self.settle(list_, wanted, "dropped")
        shard = list_.find(wanted.name)
        if shard is not None:
            return self.settle(list_, wanted, "here", shard=shard)
        got = self._cache.reserve(list_.identity(wanted.name), wanted.size, next_use)
        if got == "no room":
            return self.settle(list_, wanted, "no room")
        if got == "here":
            # Another one has finished it since `find`: queued again, it is found at the next look.
            return self.settle(list_, wanted, "queued")
        if got == "elsewhere":
            now = time.monotonic()
            wanted.due = now + _POLL_SECONDS
            wanted.patience = min(wanted.patience, now + self._patience)
            if now > wanted.patience:
                raise SourceError(f"another process has been downloading it for {self._patience:.0f} s")
            return self.settle(list_, wanted, "elsewhere")
        wanted.reservation = got
        with self._changed:
            self.reservations.add(got)
            # Looked at under the lock: it may have been dropped, or all closed, while room was made.
            is_wanted = not wanted.is_dropped and not self.is_closed
            if is_wanted:
                wanted.parts = Parts(wanted.size, self.part_bytes, wanted.start)
                self._changed.notify_all()
        if not is_wanted:
            self.settle(list_, wanted, "dropped")

    def bring(self, list_: WantList, wanted: Wanted, offset: int, length: int) -> None:
        """Bring some parts of a shard; whoever brings the last ones checks and commits the whole."""
        reservation, parts = wanted.reservation, wanted.parts
        assert reservation is not None and parts is not None
        error: Exception | None = None
        try:
            list_.bring(wanted.name, offset, length, partial(self._write, reservation, parts))
            self.counts.add("parts")
            self.counts.add("bytes", length)
        except Exception as failure:
            error = failure
        with self._changed:
            wanted.in_flight -= 1
            if error is not None:
                wanted.error = wanted.error or error
                # The rest would come in vain. Whoever brings the last part in flight settles the shard.
                parts.drop()
            if wanted.in_flight or parts.num_open:
                return
        if wanted.error is not None:
            self.settle(list_, wanted, "failed", wanted.error)
        elif wanted.is_dropped or self.is_closed:
            self.settle(list_, wanted, "dropped")
        elif self._is_as_indexed(list_, wanted, reservation):
            shard = reservation.commit()
            self.settle(list_, wanted, "here" if shard is not None else "dropped", shard=shard)
        elif wanted.parts is parts:
            self.settle(list_, wanted, "failed")

    def settle(
        self,
        list_: WantList,
        wanted: Wanted,
        state: State,
        error: Exception | None = None,
        shard: CachedShard | None = None,
    ) -> None:
        """Record what became of a shard. The unfinished file of one that did not arrive is removed."""
        reservation = wanted.reservation
        if reservation is not None:
            reservation.abandon()  # does nothing if the shard arrived
        if error is not None and not wanted.is_dropped and not self.is_closed:
            what = str(error) if isinstance(error, PrintableError) else f"{type(error).__name__}: {error}"
            _log.warning("%s/%s: not cached but read by range (%s)", list_.url, wanted.name, what)
        with self._changed:
            wanted.reservation = wanted.parts = None
            if reservation is not None:
                self.reservations.discard(reservation)
            if wanted.is_dropped:
                return
            wanted.state, wanted.error = state, error
            if wanted.is_leaving:  # not held, so it may be evicted
                list_.wanted.pop(wanted.name, None)
            elif shard is not None:
                list_.here[wanted.name] = shard
            if state == "no room":
                for other in list_.wanted.values():  # needed later still, so they would find no room either
                    if other.state == "queued" and other.distance >= wanted.distance:
                        other.state = state
            list_.end_cold_start()
            self._changed.notify_all()

    def _write(self, reservation: Reservation, parts: Parts, offset: int, data: bytes) -> None:
        try:
            reservation.write(offset, data)
        except OSError as error:
            self._cache.full(error)
            # Not as OSError, which the source would take for one of the connection and retry.
            raise PrintableError(f"the cache's disk: {error}") from error
        with self._changed:
            parts.land(offset, len(data))
            self._changed.notify_all()

    def _is_as_indexed(self, list_: WantList, wanted: Wanted, reservation: Reservation) -> bool:
        """True if the checksum matches; the first mismatch queues the shard again. Raises SourceError, DatasetError."""
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
            with self._changed:
                if not wanted.is_dropped:
                    wanted.parts = Parts(wanted.size, self.part_bytes, wanted.start)
                    self._changed.notify_all()
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
