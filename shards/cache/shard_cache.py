"""ShardCache: shards as files of a folder of this node, with a byte limit.

All processes and runs of a user on the node share it, or those of the users of a group (cache_folder.py).
file_names.py says which files there are.
Promises: a file without .part is whole; all files together never exceed the limit; one process downloads what many
want; no file that a process holds open is evicted, and of the others the one that is needed last goes first. All locks
are the kernel's (flock), so whoever dies, by kill -9 too, leaves nothing locked: an unfinished file that nobody holds
is removed or begun anew. No clock is read. Other files in the folder are left alone.
Gives up: fsync. After a crash of the machine a file may hold zeros; checksums of members tell, and `remove` drops it.
It knows nothing of stores, threads and loaders; threads may share it, and so may forks.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import Literal

from shards.base.errors import CacheFolderError
from shards.base.printing import logger
from shards.cache.cache_folder import CacheFolder, Sharing
from shards.cache.eviction import NextUse, eviction_order
from shards.cache.file_names import LOCK, UNFINISHED, is_ours, is_unfinished
from shards.cache.held_file import CachedShard, HeldFile
from shards.cache.reservation import Reservation

_log = logger(__name__)


def check_limit(limit: int, working_set: int, what: str) -> None:
    """Refuse a cache that cannot hold what is in use at once (ValueError). what: whose working set it is."""
    if limit < working_set:
        raise ValueError(
            f"the cache's limit is {limit:,} bytes, but the shards that are in use at once ({what}) have "
            f"{working_set:,}: they would be downloaded again and again; set cache.limit to at least {working_set:,}, "
            "lower window or streams, or turn the cache off (cache: null)"
        )


class ShardCache:
    """The shards of one folder, which is made if it does not exist."""

    def __init__(self, folder: str | os.PathLike[str], limit: int, shared: Sharing | None = None) -> None:
        """limit: bytes that its files may have together. shared: by whom (cache_folder.py).

        Raises ValueError that says why the folder cannot be used, and what to do.
        """
        self.folder, self.limit = os.path.abspath(folder), limit
        self.evictions = 0
        self._sizes: dict[str, int] = {}
        """Bytes of the whole shards, which never change."""
        self._warned = False
        self._refused: set[str] = set()
        remedy = "set cache.folder to a writable folder on a local disk"
        try:
            self._files = CacheFolder(self.folder, shared)
            self._files.check_all([LOCK, *filter(is_ours, self._files.names())])
            self._files.check_locks()
            with self._files.locked():
                self._sweep()
                there = sum(self._all_sizes().values())
        except OSError as error:
            reason = f"{type(error).__name__}: {error.strerror or error}"
            raise ValueError(f"the cache folder {self.folder} cannot be used ({reason}); {remedy}") from error
        free = shutil.disk_usage(self.folder).free
        if limit > there + free:
            raise ValueError(
                f"the cache's limit is {limit:,} bytes, but {self.folder} has {there:,} bytes of shards and its disk "
                f"{free:,} bytes free: set cache.limit to less than {there + free:,}, or take a larger disk"
            )

    def path(self, identity: str) -> str:
        """The path of a whole shard, be it there or not."""
        return os.path.join(self.folder, identity)

    def find(self, identity: str) -> CachedShard | None:
        """The shard, open and locked; None if it is not here."""
        try:
            shard = CachedShard(self._files.open(identity, os.O_RDONLY))
        except FileNotFoundError:
            return None
        except CacheFolderError as error:
            self._refuse(error)
            return None
        if not shard.lock("shared") or not os.fstat(shard.fd).st_nlink:
            return None  # it is being evicted
        with suppress(OSError):  # of another user
            os.utime(shard.fd)  # for the eviction of shards whose next use is not known, and for nothing else
        return shard

    def reserve(
        self, identity: str, size: int, next_use: NextUse
    ) -> Reservation | Literal["here", "elsewhere", "no room"]:
        """Room to download a shard of `size` bytes.

        "here": it is there already. "elsewhere": another process, or another reservation, is filling it. "no room": it
        would need the eviction of what is held open or needed sooner; or the disk is full, which is logged once.
        """
        try:
            return self._reserve(identity, size, next_use)
        except CacheFolderError as error:
            self._refuse(error)
            return "no room"
        except OSError as error:
            return self.full(error)

    def _reserve(
        self, identity: str, size: int, next_use: NextUse
    ) -> Reservation | Literal["here", "elsewhere", "no room"]:
        name = identity + UNFINISHED
        room = False
        with self._files.locked():
            if self._size(identity) is not None:
                return "here"
            made = Reservation(self._files, identity, size, self._files.open(name, os.O_RDWR | os.O_CREAT))
            if not made.lock("exclusive"):
                return "elsewhere"
            try:
                os.ftruncate(made.fd, 0)  # what a killed process left
                if self._make_room(identity, size, next_use):
                    os.ftruncate(made.fd, size)  # counts against the limit from here on
                    room = True
            finally:
                if not room:
                    self._files.unlink(name)
        if not room:
            return "no room"
        try:
            if size:
                os.posix_fallocate(made.fd, 0, size)  # not under the lock: some file systems write all of it
        except OSError:
            made.abandon()
            raise
        return made

    def remove(self, identity: str, shard: CachedShard | None = None) -> None:
        """Remove a shard, whoever reads it; shard: only if it is this one, and not another that came in its place."""
        with self._files.locked():
            there = self._files.status(identity)
            if there is not None and (shard is None or os.path.samestat(there, os.fstat(shard.fd))):
                self._files.unlink(identity)

    def _refuse(self, error: CacheFolderError) -> None:
        """Log once for each file why it is not used."""
        if str(error) not in self._refused:
            self._refused.add(str(error))
            _log.warning("%s; until then the shard is read from the store", error)

    def full(self, error: OSError) -> Literal["no room"]:
        """Log once that the disk does not hold what the limit allows."""
        if not self._warned:
            self._warned = True
            reason = f"{type(error).__name__}: {error.strerror or error}"
            free = "?"
            with suppress(OSError):
                free = f"{shutil.disk_usage(self.folder).free:,}"
            _log.warning(
                "the cache folder %s takes no more shards (%s), its disk has %s bytes free: what does not fit is read "
                "from the store, range by range; make room there, or lower cache.limit (%s bytes)",
                *(self.folder, reason, free, f"{self.limit:,}"),
            )
        return "no room"

    def _all_sizes(self) -> dict[str, int]:
        """Bytes of every file of ours. A look at all names, so 10,000 files take some milliseconds."""
        found = {}
        for name in self._files.names():
            if is_ours(name):
                size = self._sizes.get(name)  # whole shards stay as they are
                if size is None:
                    size = self._size(name)
                if size is not None:
                    found[name] = size
        self._sizes = {name: size for name, size in found.items() if not is_unfinished(name)}
        return found

    def _sweep(self) -> None:
        """Remove the unfinished files that killed processes left."""
        for name in filter(is_unfinished, self._all_sizes()):
            if self._seize(name) is not None:
                self._files.unlink(name)

    def _make_room(self, identity: str, size: int, next_use: NextUse) -> bool:
        """Evict what is needed last until `size` bytes fit; False, and nothing is evicted, if that is not enough."""
        files = self._all_sizes()
        excess = sum(files.values()) + size - self.limit
        if excess <= 0:
            return True
        if size > self.limit:
            return False
        own = next_use(identity)
        seized = []
        for name, distance in eviction_order(files, next_use, self._last_opened):
            if excess <= 0 or distance < own:
                break
            file = self._seize(name)
            if file is not None and files[name]:
                seized.append((name, file))
                excess -= files[name]
        if excess > 0:
            return False
        for name, _ in seized:
            self._files.unlink(name)
            self.evictions += not is_unfinished(name)
        return True

    def _last_opened(self, name: str) -> int:
        there = self._files.status(name)
        return 0 if there is None else there.st_mtime_ns

    def _size(self, name: str) -> int | None:
        """Bytes of a file of the folder; None where there is none."""
        there = self._files.status(name)
        return None if there is None else there.st_size

    def _seize(self, name: str) -> HeldFile | None:
        """The file, locked for its removal; None if a process holds it, or if it is not ours."""
        try:
            file = HeldFile(self._files.open(name, os.O_RDONLY))
        except (FileNotFoundError, CacheFolderError):
            return None
        return file if file.lock("exclusive") else None
