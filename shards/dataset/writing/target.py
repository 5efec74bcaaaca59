"""The interface of a place where a dataset is written: every file appears there whole.

Promises: a file is written aside, synced and renamed (for a URL: uploaded whole); files of unfinished work lie in
OUT/unfinished/ and go away with `clear`; a second process that writes into the same place is refused (by a lock, for a
URL by claim.py); every failure is a WriteError that names the path and the remedy.
Gives up: atomic appearance on remote stores that show half-uploaded files (S3, GCS and HDFS-likes with
rename do not; SFTP does).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from shards.storage.source import Names, Source

UNFINISHED = "unfinished"


class Target(Protocol):
    """A place for output where a file appears whole."""

    url: str
    """The place without credentials, for messages."""
    address: str
    """The place with everything that is needed to open it."""
    source: Source
    """The finished files."""
    unfinished: Source
    """The files of unfinished work."""

    def list(self) -> Names: ...
    def list_unfinished(self) -> Names: ...
    def scratch(self, name: str) -> str:
        """Path of a local file to write aside."""

    def stage(self, name: str) -> AbstractContextManager[str]:
        """Give the path of a local file to write; after the block it is synced and may be given to `publish`."""

    def publish(self, path: str, name: str, sync: bool = True) -> None:
        """Move a finished local file to its name in the dataset; sync: wait until the move survives a crash."""

    @contextmanager
    def produce(self, name: str) -> Iterator[str]:
        """Stage a file and publish it after the block."""
        with self.stage(name) as path:
            yield path
        self.publish(path, name)

    def put(self, name: str, data: bytes) -> None:
        """Write a file whose bytes are at hand."""

    def take(self, path: str, name: str) -> None:
        """Move a file from "FOLDER/NAME" below this place to its name in the dataset."""

    def drop(self, path: str) -> None:
        """Remove a file "FOLDER/NAME" below this place, if it is there, and the folders that are empty then."""

    def clear(self) -> None:
        """Remove all files of the unfinished work."""

    def release(self) -> None:
        """Give up locks and scratch space; may be called twice."""
