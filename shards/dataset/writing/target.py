"""Where a dataset is written: a folder or URL prefix in which every file appears whole.

Promises: a file is written aside, synced and renamed (for a URL: uploaded whole); what belongs to work that is not
finished lies in OUT/unfinished/ and goes away with `clear`; a second process that writes into the same place is refused
(claim.py, for a URL); whatever goes wrong is a WriteError that names the path and the remedy.
Gives up: atomic appearance on remote stores that show half-uploaded files (S3, GCS and HDFS-likes with
rename do not; SFTP does).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shards.storage.source import Source

UNFINISHED = "unfinished"


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


def write_bytes(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
