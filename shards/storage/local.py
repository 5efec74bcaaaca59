"""LocalSource: a folder of this machine as a source."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from shards.base.errors import (
    AccessDenied,
    ChangedFile,
    MissingFile,
    SourceError,
)
from shards.base.open_files import OpenFile, OpenFiles, too_many
from shards.storage.pread import read_fully, read_ranges
from shards.storage.source import Names, Pieces, Range, Stat, Stats, check_name, check_range

_MOST_FILES, _MOST_BYTES = 32, 16 << 20
"""What is read in one call, in which no signal is handled and these files stay open."""


class LocalSource:
    """A folder of this machine.

    A file that is replaced while it is kept open is still read in its old version. One that has other bytes when it is
    opened again, or that is written over, is a ChangedFile.
    """

    def __init__(self, folder: str, seen: dict[str, tuple[int, int]] | None = None) -> None:
        self.url = folder
        self._files = OpenFiles(folder)
        self._seen = dict(seen or {})
        """(size, modification time in ns) of each file when it was first read."""

    def list(self, suffix: str = "") -> Names:
        with _naming(self.url), os.scandir(self.url) as entries:
            return sorted(entry.name for entry in entries if entry.name.endswith(suffix) and entry.is_file())

    def stat(self, name: str) -> Stat:
        check_name(name)
        path = os.path.join(self.url, name)
        with _naming(path):
            found = os.stat(path)
            if not stat.S_ISREG(found.st_mode):
                kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, a socket or a device"
                raise SourceError(f"{path}: is {kind}, not a file; remove it or give it another name")
            return Stat(found.st_size, f"mtime_ns={found.st_mtime_ns}")

    def stat_many(self, names: Sequence[str], known: bool = False) -> Stats:
        return [self.stat(name) for name in names]

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        check_name(name)
        check_range(offset, length)
        with _naming(os.path.join(self.url, name)):
            file = self._open(name)
            if length is None:
                size = self._seen[name][0]
                offset = max(0, size + offset) if offset < 0 else offset
                length = max(0, size - offset)
            return read_fully(file.fd, length, offset)

    def read_many(self, ranges: Sequence[Range]) -> Pieces:
        pieces: Pieces = []
        for some in _few_files(ranges):
            files: dict[str, OpenFile] = {}
            for name, _, _ in some:
                if name not in files:
                    check_name(name)
                    with _naming(os.path.join(self.url, name)):
                        files[name] = self._open(name)
            fds, offsets, lengths = zip(
                *((files[name].fd, offset, length) for name, offset, length in some), strict=True
            )
            pieces += read_ranges(fds, offsets, lengths)
        for number, ((name, offset, length), piece) in enumerate(zip(ranges, pieces, strict=True)):
            if len(piece) != length:
                pieces[number] = self.read(name, offset, length)  # it names the file in errors
        return pieces

    def _open(self, name: str) -> OpenFile:
        """An open file; raises ChangedFile if it is not the one that was first read under its name."""
        file = self._files.get(name)
        found = os.fstat(file.fd)
        now = (found.st_size, found.st_mtime_ns)
        before = self._seen.setdefault(name, now)
        if now != before:
            said = [f"{size} bytes, mtime {time} ns" for size, time in (before, now)]
            raise ChangedFile(os.path.join(self.url, name), *said)
        return file

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.url, "seen": self._seen}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def _few_files(ranges: Sequence[Range]) -> Iterator[list[Range]]:
    """The ranges in runs that are read in one call: of a few files, which are held open for it, and a few megabytes."""
    some: list[Range] = []
    names: set[str] = set()
    num_bytes = 0
    for range_ in ranges:
        if some and ((range_[0] not in names and len(names) >= _MOST_FILES) or num_bytes >= _MOST_BYTES):
            yield some
            some, names, num_bytes = [], set(), 0
        some.append(range_)
        names.add(range_[0])
        num_bytes += range_[2]
    if some:
        yield some


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Turn an error of the system into one of ours that names the file."""
    try:
        yield
    except SourceError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.path.islink(path):
            raise MissingFile(f"{path}: is a link to {os.readlink(path)!r}, which is not there") from error
        raise MissingFile(f"{path}: not found; check the path, or whether the dataset was built here") from error
    except PermissionError as error:
        raise AccessDenied(f"{path}: access refused ({error.strerror}); check the permissions of the folder") from error
    except OSError as error:
        if error.errno == errno.EMFILE:
            raise SourceError(f"{path}: cannot be opened: {too_many()}") from error
        raise SourceError(f"{path}: cannot be read ({type(error).__name__}: {error.strerror or error})") from error
