"""HeldFile: an open file with a lock of the kernel (flock), which nobody who dies leaves behind."""

from __future__ import annotations

import fcntl
import os
import weakref
from typing import Literal

from shards.storage.pread import read_fully


class HeldFile:
    """A descriptor that is closed when its last user drops it: another thread may be inside a call just now."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        _OPEN.add(self)

    def lock(self, kind: Literal["shared", "exclusive"]) -> bool:
        """Lock the file; False if another process, or another descriptor of this one, has it locked."""
        try:
            fcntl.flock(self.fd, (fcntl.LOCK_SH if kind == "shared" else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    __del__ = close


class CachedShard(HeldFile):
    """A whole shard, open and locked: no process evicts it as long as this object lives, or until `release`."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self.size = os.fstat(fd).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of it, fewer only where it ends. Raises OSError when the disk fails."""
        return read_fully(self.fd, length, offset)

    def release(self) -> None:
        """Allow its eviction; a read that is under way still gets all its bytes."""
        if self.fd >= 0:
            fcntl.flock(self.fd, fcntl.LOCK_UN)


_OPEN: weakref.WeakSet[HeldFile] = weakref.WeakSet()


def _close_in_fork() -> None:
    # Locks live as long as any process has the descriptor: those of a killed parent must not outlive it in its forks.
    for file in list(_OPEN):
        file.close()


os.register_at_fork(after_in_child=_close_in_fork)
