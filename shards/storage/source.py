"""Where bytes come from: a folder or a URL prefix, with three verbs: list, stat, read (a range).

Local folders are read by `pread`, here; everything else (the stores of addresses.py) by remote.py, which is loaded when
it is first needed. A source may be used by several threads at once, and opened before a fork. Names are
plain file names: one with a slash or ".." is refused, so data cannot lead a reader out of its folder. What asks for
many things at once (`stat_many`, `read_many`) takes one round trip where a store is far away.
Not here: caching.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from shards.base.open_files import OpenFile, OpenFiles, too_many
from shards.base.printing import PrintableError, UsageError
from shards.storage.addresses import check_address, is_remote, local_path, normal

Names = list[str]
CONNECTIONS = 32
"""Requests that one remote source has in flight at most."""


class SourceError(PrintableError, OSError):
    """Bytes that could not be had, for a reason that lies with the store and not with the data."""


class MissingFile(UsageError, SourceError):
    """A file that is not there."""


class AccessDenied(UsageError, SourceError):
    """The store refuses: wrong or missing credentials, or no permission."""


class AddressError(UsageError, SourceError):
    """An address that leads nowhere: an unknown scheme, a chain, credentials where they are not used."""


class ChangedFile(SourceError):
    """A file that is not the one any more that this source has read before."""

    def __init__(self, path: str, before: object, now: object) -> None:
        super().__init__(
            f"{path}: changed while it was being read ({before} before, {now} now); nothing of the new "
            "version was used: start again, and it is read as it is then"
        )


class Stat(NamedTuple):
    """What a store says about a file without giving it."""

    size: int
    version: str
    """Tells two contents of one name apart: the ETag where there is one, else the time; empty where nothing is said."""

    def may_be(self, other: Stat) -> bool:
        """Whether both can be of one content. Some servers say less with a range than with a whole file: only what
        both say is compared."""
        (kind, _, mark), (other_kind, _, other_mark) = (stat.version.partition("=") for stat in (self, other))
        is_same = mark.removeprefix("W/") == other_mark.removeprefix("W/")
        return self.size == other.size and (kind != other_kind or is_same)


class Source(Protocol):
    """A folder of files, local or remote."""

    @property
    def url(self) -> str:
        """The folder, as it may be shown."""

    def list(self, suffix: str = "") -> Names:
        """Names of the files directly inside that end in suffix, sorted."""

    def stat(self, name: str) -> Stat:
        """Size and version of a file."""

    def stat_many(self, names: Sequence[str], known: bool = False) -> Stats:
        """`stat` of many files, at once where they are far away. Raises for the first that fails.

        known: what the store said of a file when it was read will do.
        """

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes from offset on: length of them (None: all), fewer only where the file ends.

        A negative offset, without a length, asks for that many bytes at the end.
        """

    def read_many(self, ranges: Sequence[Range]) -> Pieces:
        """`read` of many ranges, at once where they are far away. Raises for the first that fails."""


RangeReader = Callable[[int, int], bytes]
"""(offset, length) -> bytes of one file, fewer only where it ends."""
Range = tuple[str, int, int]
"""(name, offset, length)"""
Stats = list[Stat]
Pieces = list[bytes]


def open_source(address: str | os.PathLike[str], roots: Sequence[str] = ()) -> Source:
    """Open a folder path, a file:// URL, or the URL prefix of a store. Touches nothing yet. Raises AddressError.

    Remote requests are tried again for 300 seconds each, or what MCG_SOURCE_DEADLINE says. roots: further addresses
    that an http(s) server may redirect to.
    """
    text = checked(os.fspath(address))
    if is_remote(text):
        from shards.storage.remote import RemoteSource

        return RemoteSource(text, roots=tuple(roots))
    return LocalSource(local_path(text))


def checked(address: str) -> str:
    """An address in its normal form. Raises AddressError."""
    try:
        check_address(address)
    except ValueError as error:
        raise AddressError(str(error)) from None
    return normal(address)


def address_of(source: Source) -> str:
    """Where a source reads, credentials included: not to be shown."""
    address: str = getattr(source, "address", source.url)
    return address


def check_name(name: str) -> None:
    """Refuse what is not a plain file name (ValueError)."""
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise ValueError(f"{name!r} is not a plain file name")


def check_range(offset: int, length: int | None) -> None:
    """Refuse what is not a range (ValueError)."""
    if (length is not None and length < 0) or (offset < 0 and length is not None):
        raise ValueError(f"offset {offset} with length {length}: a negative offset goes without a length")


def read_fully(fd: int, length: int, offset: int) -> bytes:
    """Bytes of an open file, fewer only where it ends; one pread gives at most 2 GiB, and less when a signal comes."""
    data = os.pread(fd, length, offset)
    if len(data) == length or not data:
        return data
    pieces, got = [data], len(data)
    while got < length and (data := os.pread(fd, length - got, offset + got)):
        pieces.append(data)
        got += len(data)
    return b"".join(pieces)


class LocalSource:
    """A folder of this machine. A file that was replaced is read on as it was while it is kept open; one that has other
    bytes under its name when it is opened anew, or is written over, is a ChangedFile."""

    def __init__(self, folder: str, seen: dict[str, tuple[int, int]] | None = None) -> None:
        self.url = folder
        self._files = OpenFiles(folder)
        self._seen = dict(seen or {})
        """Size and time of each file when it was first read."""

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
        file, open_name = None, None
        for name, offset, length in ranges:
            if file is None or name != open_name:
                check_name(name)
                with _naming(os.path.join(self.url, name)):
                    file, open_name = self._open(name), name
            try:
                data = os.pread(file.fd, length, offset)
            except (OSError, ValueError):
                data = b""
            # `read` goes on after a short answer, and names the file in errors
            pieces.append(data if len(data) == length else self.read(name, offset, length))
        return pieces

    def _open(self, name: str) -> OpenFile:
        """A file, which is still what was read of it before."""
        file = self._files.get(name)
        found = os.fstat(file.fd)
        now = (found.st_size, found.st_mtime_ns)
        before = self._seen.setdefault(name, now)
        if now != before:
            said = [f"{size} bytes of time {time}" for size, time in (before, now)]
            raise ChangedFile(os.path.join(self.url, name), *said)
        return file

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.url, "seen": self._seen}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Turn what the system says into an error that names the file."""
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


class SeekableFile(io.RawIOBase):
    """A read-only binary file of known size; a subclass says where its bytes come from."""

    def __init__(self, size: int, name: str) -> None:
        self.name = name
        self._size, self._position = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        length = max(0, self._size - self._position)
        if size is not None and size >= 0:
            length = min(length, size)
        data = self._get(self._position, length) if length else b""
        self._position += len(data)
        return data

    def readall(self) -> bytes:
        return self.read()

    def _get(self, offset: int, length: int) -> bytes:
        raise NotImplementedError


class BytesFile(SeekableFile):
    """Bytes as a file."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(len(data), name)
        self._data = data

    def _get(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class SourceFile(SeekableFile):
    """One file of a source, for libraries that want a file (pyarrow, tar scan)."""

    def __init__(self, source: Source, name: str) -> None:
        super().__init__(source.stat(name).size, f"{source.url}/{name}")
        self._source, self._file = source, name

    def _get(self, offset: int, length: int) -> bytes:
        return self._source.read(self._file, offset, length)
