"""Shards as files of a folder of this node, with a byte limit, shared by all processes and runs of a user on the node,
or of the users of a group (shards/cache/cache_folder.py).

  .lock                the folder lock: held while room is made, and while files appear and vanish
  IDENTITY-NAME        a whole shard; whoever reads it holds a shared lock on it
  IDENTITY-NAME.part   one that is being downloaded, in its full size; its downloader holds it locked

Promises: a file without .part is whole; files and parts together never exceed the limit; one process downloads what
many want; no file that a process holds open is evicted, and of the others the one that is needed last goes first. All
locks are the kernel's (flock), so whoever dies, by kill -9 too, leaves nothing locked: a part that nobody holds is
removed or begun anew. No clock is read. Other files in the folder are left alone.
Gives up: fsync. After a crash of the machine a file may hold zeros; checksums of members tell, and `remove` drops it.
It knows nothing of stores, threads and loaders; threads may share it, and so may forks.
"""

from __future__ import annotations

import fcntl
import math
import os
import re
import shutil
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import xxhash

from shards.base.printing import logger
from shards.cache.cache_folder import CacheFolder, CacheFolderError, Sharing
from shards.storage.local import read_fully

NextUse = Callable[[str], float]
"""identity -> how far away its next use is, in any unit; infinite: not known."""

_OURS = re.compile(r"[0-9a-f]{32}-")
_PART = ".part"
_LOCK = ".lock"
_PIECE = 1 << 22
_log = logger(__name__)


def shard_identity(url: str, name: str, size: int, version: str) -> str:
    """The file name of a shard in a cache: 32 hexadecimal digits over all of these, and its name for people to read.

    version: whatever tells two contents of one address apart.
    """
    text = "\0".join((f"{url}/{name}", str(size), version))
    digest = xxhash.xxh3_128_hexdigest(text.encode(errors="surrogatepass"))
    readable = name.replace(_PART, "-part").encode(errors="replace")[-120:].decode(errors="ignore")
    return f"{digest}-{readable}"


def check_limit(limit: int, working_set: int, what: str) -> None:
    """Refuse a cache that cannot hold what is in use at once (ValueError). what: whose working set it is."""
    if limit < working_set:
        raise ValueError(
            f"the cache's limit is {limit:,} bytes, but the shards that are in use at once ({what}) have "
            f"{working_set:,}: they would be downloaded again and again; set cache.limit to at least {working_set:,}, "
            "lower window or streams, or turn the cache off (cache: null)"
        )


class _File:
    """A descriptor that is closed when its last user drops it: another thread may be inside a call just now."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        _OPEN.add(self)

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    __del__ = close


_OPEN: weakref.WeakSet[_File] = weakref.WeakSet()


def _close_in_fork() -> None:
    # Locks live as long as any process has the descriptor: those of a killed parent must not outlive it in its forks.
    for file in list(_OPEN):
        file.close()


os.register_at_fork(after_in_child=_close_in_fork)


class CachedShard(_File):
    """A whole shard, open and locked: no process evicts it as long as this object lives, or until `release`."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self.size = os.fstat(fd).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of it, fewer only where it ends. Raises OSError when the disk fails."""
        return read_fully(self.fd, length, offset)

    def release(self) -> None:
        """Let it be evicted; who is reading it just now can go on."""
        if self.fd >= 0:
            fcntl.flock(self.fd, fcntl.LOCK_UN)


class Reservation(_File):
    """Room for one shard, and the right to fill it: threads write, one of them commits or abandons."""

    def __init__(self, cache: ShardCache, identity: str, size: int, fd: int) -> None:
        super().__init__(fd)
        self.size = size
        self._cache, self._identity = cache, identity
        self._settled = False

    def write(self, offset: int, data: bytes | memoryview) -> None:
        view = memoryview(data)
        if offset + len(view) > self.size:
            raise ValueError(f"{self._identity}: {offset + len(view)} bytes do not fit into {self.size}")
        while len(view):
            written = os.pwrite(self.fd, view, offset)
            view, offset = view[written:], offset + written

    def checksum(self) -> str:
        """XXH3_128 of what the file holds, 32 hexadecimal digits. Other threads run meanwhile."""
        digest, piece, offset = xxhash.xxh3_128(), memoryview(bytearray(_PIECE)), 0
        while got := os.preadv(self.fd, [piece], offset):
            digest.update(piece[:got])
            offset += got
        return digest.hexdigest()

    def commit(self) -> CachedShard | None:
        """Put it in its place, whole and held open. None when it was abandoned meanwhile."""
        with self._cache.locked():
            if self._settled:
                return None
            fcntl.flock(self.fd, fcntl.LOCK_SH)  # before it can be seen, so nobody finds it locked
            self._cache.rename(self._identity + _PART, self._identity)
            self._settled = True
            return CachedShard(os.dup(self.fd))

    def abandon(self) -> None:
        """Give the room back. A thread that still writes does no harm; after commit, or twice, it does nothing."""
        with self._cache.locked():
            if not self._settled and self.fd >= 0:  # closed in a fork
                self._settled = True
                with suppress(FileNotFoundError):
                    self._cache.unlink(self._identity + _PART)


class ShardCache:
    """The folder. It is made if it is not there; ValueError says why it cannot be used, and what to do."""

    def __init__(self, folder: str | os.PathLike[str], limit: int, shared: Sharing | None = None) -> None:
        """limit: bytes that its files may have together. shared: by whom (shards/cache/cache_folder.py)."""
        self.folder, self.limit = os.path.abspath(folder), limit
        self.evictions = 0
        self._sizes: dict[str, int] = {}
        self._warned = False
        self._refused: set[str] = set()
        remedy = "set cache.folder to a writable folder on a local disk"
        try:
            self._place = CacheFolder(self.folder, shared)
            self._place.check_all([_LOCK, *filter(_is_ours, os.listdir(self._place.fd))])
            self._check_locks()
            with self.locked():
                self._sweep()
                there = sum(self._files().values())
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
        """Where a whole shard lies, or would lie."""
        return os.path.join(self.folder, identity)

    def find(self, identity: str) -> CachedShard | None:
        """A shard that is here, open and locked; None if it is not here."""
        try:
            fd = self._place.open(identity, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except CacheFolderError as error:
            self._refuse(error)
            return None
        shard = CachedShard(fd)
        if not _lock(fd, fcntl.LOCK_SH) or not os.fstat(fd).st_nlink:
            return None  # being evicted
        with suppress(OSError):  # another user's
            os.utime(fd)  # the order in which shards that nobody speaks for are evicted, nothing else
        return shard

    def reserve(
        self, identity: str, size: int, next_use: NextUse
    ) -> Reservation | Literal["here", "elsewhere", "no room"]:
        """Room to download a shard of `size` bytes.

        "here": it is there already. "elsewhere": somebody is downloading it. "no room": it is not to be had without
        evicting what is held open, or what is needed sooner; or the disk is full, which is said once.
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
        name = identity + _PART
        room = False
        with self.locked():
            if self._size(identity) is not None:
                return "here"
            part = Reservation(self, identity, size, self._place.open(name, os.O_RDWR | os.O_CREAT))
            if not _lock(part.fd, fcntl.LOCK_EX):
                return "elsewhere"
            try:
                os.ftruncate(part.fd, 0)  # what a killed process left
                if self._make_room(identity, size, next_use):
                    os.ftruncate(part.fd, size)  # counts from here on
                    room = True
            finally:
                if not room:
                    self.unlink(name)
        if not room:
            return "no room"
        try:
            if size:
                os.posix_fallocate(part.fd, 0, size)  # not under the lock: some file systems write it all
        except OSError:
            part.abandon()
            raise
        return part

    def remove(self, identity: str, shard: CachedShard | None = None) -> None:
        """Drop a copy, whoever reads it; shard: only if it is this one, and not another that came in its place."""
        with self.locked(), suppress(FileNotFoundError):
            there = os.stat(identity, dir_fd=self._place.fd, follow_symlinks=False)
            if shard is None or os.path.samestat(there, os.fstat(shard.fd)):
                self.unlink(identity)

    def rename(self, name: str, to: str) -> None:
        """Rename a file of the folder."""
        os.rename(name, to, src_dir_fd=self._place.fd, dst_dir_fd=self._place.fd)

    def unlink(self, name: str) -> None:
        """Remove a file of the folder; of a link the link."""
        os.unlink(name, dir_fd=self._place.fd)

    def _refuse(self, error: CacheFolderError) -> None:
        """Say once of each file why it is not used."""
        if str(error) not in self._refused:
            self._refused.add(str(error))
            _log.warning("%s; until then the shard is read from the store", error)

    def full(self, error: OSError) -> Literal["no room"]:
        """Say once that the disk does not hold what the limit allows."""
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

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder lock; threads exclude each other like processes."""
        lock = _File(self._place.open(_LOCK, os.O_RDWR | os.O_CREAT))
        try:
            fcntl.flock(lock.fd, fcntl.LOCK_EX)
            yield
        finally:
            lock.close()

    def _check_locks(self) -> None:
        with self.locked():
            other = _File(self._place.open(_LOCK, os.O_RDWR))
            if _lock(other.fd, fcntl.LOCK_EX):
                raise OSError("its file system ignores locks (flock)")

    def _files(self) -> dict[str, int]:
        """Bytes of every file of ours. A look at all names, so 10,000 files take some milliseconds."""
        found = {}
        for name in os.listdir(self._place.fd):
            if _is_ours(name):
                size = self._sizes.get(name)  # whole shards stay as they are
                if size is None:
                    size = self._size(name)
                if size is not None:
                    found[name] = size
        self._sizes = {name: size for name, size in found.items() if not _is_part(name)}
        return found

    def _sweep(self) -> None:
        """Remove the parts that killed processes left."""
        for name in filter(_is_part, self._files()):
            if self._seize(name) is not None:
                self.unlink(name)

    def _make_room(self, identity: str, size: int, next_use: NextUse) -> bool:
        """Evict what is needed last until `size` bytes fit; all that it takes, or nothing."""
        files = self._files()
        excess = sum(files.values()) + size - self.limit
        if excess <= 0:
            return True
        if size > self.limit:
            return False
        own = next_use(identity)
        seized = []
        for name, distance in self._by_distance(files, next_use):
            if excess <= 0 or distance < own:
                break
            file = self._seize(name)
            if file is not None and files[name]:
                seized.append((name, file))
                excess -= files[name]
        if excess > 0:
            return False
        for name, _ in seized:
            self.unlink(name)
            self.evictions += not _is_part(name)
        return True

    def _by_distance(self, names: Iterable[str], next_use: NextUse) -> Iterator[tuple[str, float]]:
        """What is to go first, first: parts (those that can be seized are of no use to anybody), then what is needed
        last; of what nobody speaks for that which was opened longest ago."""
        shards = []
        for name in names:
            if _is_part(name):
                yield name, math.inf
            else:
                shards.append((next_use(name), name))
        unknown = [name for distance, name in shards if distance == math.inf]
        for name in sorted(unknown, key=self._opened):
            yield name, math.inf
        for distance, name in sorted(shards, reverse=True):
            if distance != math.inf:
                yield name, distance

    def _opened(self, name: str) -> int:
        try:
            return os.stat(name, dir_fd=self._place.fd, follow_symlinks=False).st_mtime_ns
        except FileNotFoundError:
            return 0

    def _size(self, name: str) -> int | None:
        """Bytes of a file of the folder; None where there is none."""
        try:
            return os.stat(name, dir_fd=self._place.fd, follow_symlinks=False).st_size
        except FileNotFoundError:
            return None

    def _seize(self, name: str) -> _File | None:
        """The file, locked for its removal; None if a process holds it."""
        try:
            file = _File(self._place.open(name, os.O_RDONLY))
        except (FileNotFoundError, CacheFolderError):
            return None  # what is not ours is not removed either
        return file if _lock(file.fd, fcntl.LOCK_EX) else None


def _is_ours(name: str) -> bool:
    return name[32:33] == "-" and bool(_OURS.match(name))


def _is_part(name: str) -> bool:
    return name.endswith(_PART)


def _lock(fd: int, kind: int) -> bool:
    """Whether the lock could be had at once."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
