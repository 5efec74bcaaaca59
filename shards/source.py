"""Where bytes come from: a folder or a URL prefix, with three verbs: list, size, read (a range).

Local folders are read by `pread`, everything else through fsspec (s3://, http://, memory://, ...), which is imported
when it is first needed. A source may be used by several threads at once. Remote clients are made in the process that
uses them, so a source may be opened before a fork. Names are plain file names: one with a slash or ".." is refused,
so data cannot lead a reader out of its folder.
Not here: retries beyond those of the client libraries, and caching.
"""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

Names = list[str]

_FILES_OPEN = 128
"""Local files that one source keeps open."""


class SourceError(OSError):
    """Bytes that could not be had, for a reason that lies with the store and not with the data."""


class MissingFile(SourceError):
    """A file that is not there."""


class AccessDenied(SourceError):
    """The store refuses: wrong or missing credentials, or no permission."""


class Source(Protocol):
    """A folder of files, local or remote."""

    @property
    def url(self) -> str:
        """The folder, as it was given."""

    def list(self, suffix: str = "") -> Names:
        """Names of the files directly inside that end in suffix, sorted."""

    def size(self, name: str) -> int:
        """Bytes of a file."""

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes from offset on: length of them (None: all), fewer only where the file ends."""

    def range_reader(self, name: str) -> RangeReader:
        """`read` of one file, for many ranges."""


RangeReader = Callable[[int, int], bytes]
"""(offset, length) -> bytes of one file, fewer only where it ends."""


def open_source(url: str | os.PathLike[str]) -> Source:
    """Open a folder path, a file:// URL, or any URL prefix that fsspec knows. Touches nothing yet."""
    text = os.fspath(url)
    if text.startswith("file://"):
        return LocalSource(unquote(urlsplit(text).path))
    return RemoteSource(text) if is_remote(text) else LocalSource(text)


def is_remote(url: str) -> bool:
    """Whether a URL needs a client, as opposed to a path on a file system of this machine."""
    return ("://" in url or "::" in url) and not url.startswith("file://")


def check_name(name: str) -> None:
    """Refuse what is not a plain file name (ValueError)."""
    if not name or name in (".", "..") or any(c in "/\\\0" for c in name):
        raise ValueError(f"{name!r} is not a plain file name")


class LocalSource:
    """A folder of this machine."""

    def __init__(self, folder: str) -> None:
        self.url = folder
        self._files: OrderedDict[str, _OpenFile] = OrderedDict()
        self._lock = threading.Lock()

    def list(self, suffix: str = "") -> Names:
        with _naming(self.url), os.scandir(self.url) as entries:
            return sorted(entry.name for entry in entries if entry.name.endswith(suffix) and entry.is_file())

    def size(self, name: str) -> int:
        check_name(name)
        with _naming(os.path.join(self.url, name)):
            return os.stat(os.path.join(self.url, name)).st_size

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        check_name(name)
        with _naming(os.path.join(self.url, name)):
            file = self._open(name)
            if length is None:
                length = max(0, os.fstat(file.fd).st_size - offset)
            data = os.pread(file.fd, length, offset)
            if len(data) == length or not data:
                return data
            pieces = [data]  # one pread gives at most 2 GiB, and less when a signal arrives
            while data:
                got = sum(map(len, pieces))
                data = os.pread(file.fd, length - got, offset + got) if got < length else b""
                pieces.append(data)
            return b"".join(pieces)

    def range_reader(self, name: str) -> RangeReader:
        check_name(name)
        with _naming(os.path.join(self.url, name)):
            file = self._open(name)

        def read(offset: int, length: int) -> bytes:
            try:
                data = os.pread(file.fd, length, offset)
            except OSError:
                data = b""
            return data if len(data) == length else self.read(name, offset, length)  # which names the file in errors

        return read

    def _open(self, name: str) -> _OpenFile:
        with self._lock:
            file = self._files.get(name)
            if file is None:
                file = self._files[name] = _OpenFile(os.path.join(self.url, name))
                if len(self._files) > _FILES_OPEN:
                    # Closed when the last reader drops it: another thread may be inside pread just now.
                    self._files.popitem(last=False)
            else:
                self._files.move_to_end(name)
            return file

    def __getstate__(self) -> dict[str, str]:
        return {"url": self.url}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.__init__(state["url"])  # type: ignore[misc]


class _OpenFile:
    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))

    def __del__(self) -> None:
        fd = getattr(self, "fd", -1)
        if fd >= 0:
            os.close(fd)


class RemoteSource:
    """A URL prefix, through fsspec."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._client: tuple[int, Any, str] | None = None
        self._lock = threading.Lock()

    def list(self, suffix: str = "") -> Names:
        with _naming(self.url):
            files, prefix = self._filesystem()
            files.invalidate_cache()
            entries = files.ls(prefix, detail=True)
            names = [entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in entries if entry["type"] == "file"]
            return sorted(name for name in names if name and name.endswith(suffix))

    def size(self, name: str) -> int:
        check_name(name)
        with _naming(f"{self.url}/{name}"):
            files, prefix = self._filesystem()
            size = files.info(f"{prefix}/{name}")["size"]
        if size is None:
            raise SourceError(f"{self.url}/{name}: the server does not say how large it is; ranges cannot be read")
        return int(size)

    def range_reader(self, name: str) -> RangeReader:
        return partial(self.read, name)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        check_name(name)
        if length == 0:
            return b""
        with _naming(f"{self.url}/{name}"):
            files, prefix = self._filesystem()
            end = None if length is None else offset + length
            try:
                data = bytes(files.cat_file(f"{prefix}/{name}", start=offset, end=end))
            except (FileNotFoundError, PermissionError):
                raise
            except Exception:
                # S3 and HTTP refuse a range that starts where the file ends, an empty one's first byte too
                size = files.info(f"{prefix}/{name}")["size"]
                if size is None or size > offset:
                    raise
                return b""
        if length is not None and len(data) > length:
            raise SourceError(f"{self.url}/{name}: the server ignores byte ranges; use one that serves them")
        return data

    def _filesystem(self) -> tuple[Any, str]:
        with self._lock:
            if self._client is None or self._client[0] != os.getpid():
                files, prefix = open_filesystem(self.url)
                self._client = (os.getpid(), files, prefix)
            return self._client[1], self._client[2]

    def __getstate__(self) -> dict[str, str]:
        return {"url": self.url}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.__init__(state["url"])  # type: ignore[misc]


def open_filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL and the path inside it; a client of this process, shared with nobody."""
    import fsspec

    try:
        files, prefix = fsspec.core.url_to_fs(url, skip_instance_cache=True, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise SourceError(f"{url}: {error}") from error
    return files, prefix.rstrip("/")


@contextmanager
def _naming(url: str) -> Iterator[None]:
    """Turn whatever a store raises into one error that names the file and what to look at."""
    try:
        yield
    except SourceError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFile(f"{url}: not found; check the path, or whether the dataset was built here") from error
    except PermissionError as error:
        raise AccessDenied(f"{url}: access refused ({_reason(error)}); {_remedy(url)}") from error
    except OSError as error:
        raise SourceError(f"{url}: cannot be read ({_reason(error)})") from error
    except Exception as error:
        # Client libraries have exceptions of their own that are no OSError (botocore's NoCredentialsError).
        if not is_remote(url):
            raise
        refused = "Credentials" in type(error).__name__
        kind = AccessDenied if refused else SourceError
        raise kind(f"{url}: cannot be read ({_reason(error)}); {_remedy(url)}") from error


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {text}"


def _remedy(url: str) -> str:
    if url.startswith("s3"):
        return "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL and the bucket's policy"
    return "check the credentials and the address" if is_remote(url) else "check the permissions of the folder"


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


class SourceFile(SeekableFile):
    """One file of a source, for libraries that want a file (pyarrow, tar scan)."""

    def __init__(self, source: Source, name: str) -> None:
        super().__init__(source.size(name), f"{source.url}/{name}")
        self._source, self._file = source, name

    def _get(self, offset: int, length: int) -> bytes:
        return self._source.read(self._file, offset, length)
