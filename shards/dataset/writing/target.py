"""Where a dataset is written: a folder or URL prefix in which every file appears whole.

Promises: a file is written aside, synced and renamed (for a URL: uploaded whole); what belongs to work that is not
finished lies in OUT/unfinished/ and goes away with `clear`; a second process that writes into the same place is refused
(claim.py, for a URL); whatever goes wrong is a WriteError that names the path and the remedy.
Gives up: atomic appearance on remote stores that show half-uploaded files (S3, GCS and HDFS-likes with
rename do not; SFTP does).
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from shards.base.errors import AccessDenied, DatasetError, MissingFile, PrintableError
from shards.base.redact import shown
from shards.dataset.writing.claim import CLAIM_FILE, Claim, Taken
from shards.storage.addresses import below, checked, is_remote, local_path
from shards.storage.open import open_source
from shards.storage.source import Source

UNFINISHED = "unfinished"


class WriteError(PrintableError, OSError):
    """Output that could not be written (disk full, no permission, store refuses); names path and remedy."""


class Target(Protocol):
    """A place for output where a file appears whole."""

    url: str
    """The place, as it may be shown."""
    address: str
    source: Source
    """What is there already."""
    unfinished: Source
    """What is there of unfinished work."""

    def list(self) -> Names: ...
    def list_unfinished(self) -> Names: ...
    def scratch(self, name: str) -> str:
        """Path of a local file to write aside."""

    def stage(self, name: str, write: Callable[[str], None]) -> str:
        """Write a file aside with a function that takes its path; returns the path, for `publish`."""

    def publish(self, path: str, name: str, sync: bool = True) -> None:
        """Move a finished local file to its name in the dataset; sync: and wait until that would survive a crash."""

    def produce(self, name: str, write: Callable[[str], None]) -> None:
        """Stage a file and publish it."""

    def put(self, name: str, data: bytes) -> None: ...
    def clear(self) -> None:
        """Remove everything that belongs to the unfinished work."""

    def release(self) -> None:
        """Give up locks and scratch space; may be called twice."""


Names = list[str]


def open_target(url: str) -> Target:
    """Open a folder path, a file:// URL, or the URL prefix of a store, for writing. Raises AddressError."""
    address = checked(url)
    return RemoteTarget(address) if is_remote(address) else LocalTarget(local_path(address))


class LocalTarget:
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
            pass  # a file system without locks (some NFS): a second writer goes unnoticed there, as on remote stores

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

    def stage(self, name: str, write: Callable[[str], None]) -> str:
        path = self.scratch(name)
        with naming(os.path.join(self.url, name)):
            try:
                write(path)
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(path)
                raise
        return path

    def produce(self, name: str, write: Callable[[str], None]) -> None:
        self.publish(self.stage(name, write), name)

    def put(self, name: str, data: bytes) -> None:
        self.produce(name, lambda path: _write_bytes(path, data))

    def clear(self) -> None:
        if os.path.isdir(self._aside):
            with naming(self._aside):
                shutil.rmtree(self._aside)

    def release(self) -> None:
        # Sources keep files open, new ones have none: the disk can be unmounted while someone still holds the writer.
        self.source, self.unfinished = open_source(self.url), open_source(self._aside)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class RemoteTarget:
    """A URL prefix, through fsspec; files are written in the temporary folder of this machine first."""

    def __init__(self, url: str) -> None:
        from shards.storage.stores import open_filesystem

        self.address = url.rstrip("/")
        self.url = shown(self.address)
        self._files, self._prefix = open_filesystem(self.address)
        self.source, self.unfinished = open_source(self.address), open_source(below(self.address, UNFINISHED))
        self._scratch: str | None = None
        self._claim: Claim | None = None

    def _hold(self) -> None:
        """Be the one run that writes here, from its first file on. Raises WriteError."""
        try:
            if self._claim is None:
                with naming(f"{self.url}/{UNFINISHED}/{CLAIM_FILE}"):
                    self._claim = Claim(self._files, f"{self._prefix}/{UNFINISHED}/{CLAIM_FILE}")
            self._claim.check()
        except Taken as error:
            raise WriteError(f"{self.url}: {error}") from error

    def list(self) -> Names:
        try:
            return self.source.list()
        except MissingFile:
            return []
        except AccessDenied as error:
            raise WriteError(str(error)) from error

    def list_unfinished(self) -> Names:
        try:
            return [name for name in self.unfinished.list() if name != CLAIM_FILE]
        except MissingFile:
            return []

    def scratch(self, name: str) -> str:
        if self._scratch is None:
            self._scratch = tempfile.mkdtemp(prefix="shards-")
        return os.path.join(self._scratch, os.path.basename(name))

    def publish(self, path: str, name: str, sync: bool = True) -> None:
        self._hold()
        with naming(f"{self.url}/{name}"):
            self._files.put_file(path, f"{self._prefix}/{name}")
        os.unlink(path)

    def stage(self, name: str, write: Callable[[str], None]) -> str:
        path = self.scratch(name)
        with naming(path):
            write(path)
        return path

    def produce(self, name: str, write: Callable[[str], None]) -> None:
        self.publish(self.stage(name, write), name)

    def put(self, name: str, data: bytes) -> None:
        self._hold()
        with naming(f"{self.url}/{name}"):
            self._files.pipe_file(f"{self._prefix}/{name}", data)

    def clear(self) -> None:
        self._hold()
        # What the parts belong to is said by a json file, which goes last.
        with naming(f"{self.url}/{UNFINISHED}"):
            for name in sorted(self.list_unfinished(), key=lambda name: name.endswith(".json")):
                self._files.rm_file(f"{self._prefix}/{UNFINISHED}/{name}")

    def release(self) -> None:
        if self._claim is not None:
            claim, self._claim = self._claim, None
            claim.release()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None


def _write_bytes(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


_REMEDIES = {
    errno.ENOSPC: "the disk is full: free space there",
    errno.EDQUOT: "the quota is used up: free space there",
    errno.EACCES: "no permission: make the folder writable or choose another place",
    errno.EPERM: "no permission: make the folder writable or choose another place",
    errno.EROFS: "the file system is read-only: choose another place",
    errno.ENOTDIR: "a part of the path is a file: choose another place",
    errno.EEXIST: "a file is in the way: remove it or choose another place",
}


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Turn whatever goes wrong while writing into a WriteError that names the path and the remedy."""
    again = "then start the same command again: it goes on after the last finished shard"
    try:
        yield
    except (WriteError, DatasetError, Taken, AssertionError):
        raise
    except OSError as error:
        default = "check the address and the credentials" if is_remote(path) else "check the disk"
        remedy = _REMEDIES.get(error.errno or 0, default)
        raise WriteError(
            error.errno, f"{path}: cannot be written ({error.strerror or error}); {remedy}, {again}"
        ) from error
    except Exception as error:
        # Client libraries have exceptions of their own that are no OSError (botocore's NoCredentialsError).
        if not is_remote(path):
            raise
        reason = f"{type(error).__name__}: {error}"
        raise WriteError(
            f"{path}: cannot be written ({reason}); check the address and the credentials, {again}"
        ) from error
