"""A folder of this machine that a dataset is written to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from shards.base.errors import WriteError
from shards.dataset.writing.target import UNFINISHED, Target
from shards.dataset.writing.write_error import naming
from shards.storage.open import open_source
from shards.storage.source import Names


class LocalTarget(Target):
    """A folder of this machine, locked while the target is open."""

    def __init__(self, folder: str) -> None:
        import fcntl

        self.url = self.address = folder
        self._aside = os.path.join(folder, UNFINISHED)
        self.source, self.unfinished = open_source(folder), open_source(self._aside)
        with naming(folder):
            os.makedirs(folder, exist_ok=True)
            # The lock is on the folder itself, so no lock file is left; the kernel drops it when the process dies.
            self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise WriteError(
                f"{folder}: another process is writing this dataset; wait for it or choose another place"
            ) from error
        except OSError:
            pass  # a file system without locks (some NFS): a second writer goes unnoticed there

    def list(self) -> Names:
        return self.source.list()

    def list_unfinished(self) -> Names:
        if not os.path.isdir(self._aside):
            return []
        names = self.unfinished.list()
        for name in names:
            if name.endswith(".writing"):
                os.unlink(os.path.join(self._aside, name))
        return [name for name in names if not name.endswith(".writing")]

    def scratch(self, name: str) -> str:
        with naming(self._aside):
            os.makedirs(self._aside, exist_ok=True)
        return os.path.join(self._aside, f"{os.path.basename(name)}.writing")

    def publish(self, path: str, name: str, sync: bool = True) -> None:
        final = os.path.join(self.url, name)
        with naming(final):
            os.replace(path, final)
            if not sync:
                return
            folder = os.open(os.path.dirname(final), os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @contextmanager
    def stage(self, name: str) -> Iterator[str]:
        path = self.scratch(name)
        with naming(os.path.join(self.url, name)):
            try:
                yield path
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(path)
                raise

    def put(self, name: str, data: bytes) -> None:
        with self.produce(name) as path, open(path, "wb") as file:
            file.write(data)

    def take(self, path: str, name: str) -> None:
        self.publish(os.path.join(self.url, path), name)

    def drop(self, path: str) -> None:
        with naming(os.path.join(self.url, path)), suppress(FileNotFoundError):
            os.unlink(os.path.join(self.url, path))
        with suppress(OSError):  # not empty
            while path := os.path.dirname(path):
                os.rmdir(os.path.join(self.url, path))

    def clear(self) -> None:
        if os.path.isdir(self._aside):
            with naming(self._aside):
                shutil.rmtree(self._aside)

    def release(self) -> None:
        # Sources keep files open and new ones have none, so the disk can be unmounted while the writer object lives.
        self.source, self.unfinished = open_source(self.url), open_source(self._aside)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
