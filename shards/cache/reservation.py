"""Reservation: room in a cache for one shard, and the right to fill it."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

import xxhash

from shards.cache.cache_folder import CacheFolder
from shards.cache.file_names import UNFINISHED
from shards.cache.held_file import CachedShard, HeldFile

_PIECE = 1 << 22
"""Bytes that are hashed at once."""


class Reservation(HeldFile):
    """The unfinished file of one shard, locked: threads write to it, one of them commits or abandons it."""

    def __init__(self, folder: CacheFolder, identity: str, size: int, fd: int) -> None:
        super().__init__(fd)
        self.size = size
        self._folder, self._identity = folder, identity
        self._settled = False

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write bytes at their place in the shard. Raises OSError when the disk fails."""
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
        """Give the file the name of a whole shard, and hold it open. None if it was abandoned meanwhile."""
        with self._folder.locked():
            if self._settled:
                return None
            fcntl.flock(self.fd, fcntl.LOCK_SH)  # before it can be seen, so nobody finds it locked
            self._folder.rename(self._identity + UNFINISHED, self._identity)
            self._settled = True
            return CachedShard(os.dup(self.fd))

    def abandon(self) -> None:
        """Give the room back. A thread that still writes does no harm; after commit, or twice, it does nothing."""
        with self._folder.locked():
            if not self._settled and self.fd >= 0:  # it is closed in a fork
                self._settled = True
                with suppress(FileNotFoundError):
                    self._folder.unlink(self._identity + UNFINISHED)
