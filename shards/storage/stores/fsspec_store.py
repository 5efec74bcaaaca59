"""AnyStore: a prefix of a store that only fsspec knows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shards.storage.source import Names, Stat
from shards.storage.stores.filesystem import open_filesystem, version_of
from shards.storage.stores.request_failed import RequestFailed
from shards.storage.stores.store import Answer, Check, Write


class AnyStore:
    """A prefix of a store; a client that blocks is called in threads."""

    def __init__(self, address: str) -> None:
        self._files, self._prefix = open_filesystem(address)

    async def stat(self, name: str) -> Stat:
        with _failing():
            info = await self._call("info", f"{self._prefix}/{name}")
        if info.get("size") is None:
            raise RequestFailed.no_size()
        if info.get("type") == "directory":
            raise RequestFailed("missing", "it is a folder", "")
        return Stat(int(info["size"]), version_of(info))

    async def get(
        self, name: str, offset: int, length: int | None, write: Write | None = None, check: Check | None = None
    ) -> Answer:
        end = None if length is None else offset + length
        path = f"{self._prefix}/{name}"
        with _failing():
            try:
                data = bytes(await self._call("cat_file", path, start=offset or None, end=end))
            except (FileNotFoundError, PermissionError):
                raise
            except Exception:
                size = (await self._call("info", path)).get("size")  # the range may begin where the file ends
                if size is None or size > max(0, offset):
                    raise
                return Answer(b"", size, "")
            # After the bytes, because these stores do not say it with them: what is still there was there before.
            info = await self._call("info", path)
            size, version = info.get("size"), version_of(info)
        if check is not None:
            check(size, version)
        if length is not None and len(data) > length:
            raise RequestFailed("refused", "the server ignores byte ranges", "use one that serves them")
        if length is not None and len(data) < length and size is not None and offset + len(data) < size:
            raise RequestFailed("unavailable", f"the store gave {len(data)} of {length} bytes")
        return Answer(data, size, version)

    async def list(self, page: str) -> tuple[Names, str]:
        with _failing():
            self._files.invalidate_cache()
            entries = await self._call("ls", self._prefix, detail=True)
        names = [entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in entries if entry["type"] == "file"]
        return [name for name in names if name], ""

    async def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        if self._files.async_impl:
            return await getattr(self._files, f"_{method}")(*arguments, **options)
        return await asyncio.to_thread(getattr(self._files, method), *arguments, **options)


@contextmanager
def _failing() -> Iterator[None]:
    """Turn what file systems and client libraries raise into RequestFailed."""
    try:
        yield
    except RequestFailed:
        raise
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise RequestFailed("missing", "", "") from error
    except PermissionError as error:
        raise RequestFailed("denied", _text(error), "check the credentials and the permissions there") from error
    except (TimeoutError, OSError, EOFError) as error:
        raise RequestFailed.of_connection(error) from error
    except Exception as error:
        # Client libraries have exceptions of their own; those that answer for a server carry a status.
        status = next((v for n in ("status", "status_code", "code") if isinstance(v := getattr(error, n, 0), int)), 0)
        if status:
            raise RequestFailed.of_status(status, _text(error), "check the credentials and the address") from error
        kind: Any = "denied" if re.search("credential|auth", type(error).__name__, re.IGNORECASE) else "refused"
        raise RequestFailed(kind, _text(error), "check the credentials and the address") from error


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
