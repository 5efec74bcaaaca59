"""Download one file: into .NAME.part, resumed where it broke off, checked, and then put in its place.

Promises: a file appears whole or not at all. A broken download goes on with Range and If-Range, also in a later run (a
small .json beside the part says of which version it is); a server that ignores ranges, or whose file has changed, sends
it from the beginning. Length and checksum are verified where they are known, the kind of content always. Gives up:
compressed transfers (none is asked for), and files without any length, of which the end cannot be told from a break.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.fetch.addresses import check_address, redirected
from tools.fetch.content import HEAD_BYTES, check_content
from tools.fetch.failures import (
    CHECKSUM,
    CONNECTION,
    REFUSED,
    STATUS,
    THROTTLED,
    TIMEOUT,
    TOO_LARGE,
    WRONG_TYPE,
    FetchFailed,
)
from tools.fetch.politeness import Hosts, Manners, retry_after

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

_MOST_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_READ_AT_ONCE = 1 << 18
_NOTED_FROM = 1 << 20
"""Bytes from which a part is worth a note with which a later run goes on."""
_SLOWEST, _SLOW_AFTER = 1 << 10, 60.0
"""Bytes a second, and the seconds after which an answer that brings less is given up."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch."""

    url: str
    path: Path
    place: str = ""
    """Where the address stands, e.g. "line 17"."""
    row: int = 0
    """Number of the record in its file."""
    num_bytes: int | None = None
    digest: str = ""
    """ "md5:..." or "sha256:...", hexadecimal; empty: not known."""


@dataclass(slots=True)
class _Part:
    """What is known of a download that is under way."""

    done: int = 0
    validator: str = ""
    """ETag or date of the version that the part is of; empty: it cannot be gone on with."""
    total: int | None = None


class Downloads:
    """Downloads over one session."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        manners: Manners,
        max_bytes: int | None,
        named: Collection[str] = (),
        on_bytes: Callable[[int], None] = lambda number: None,
    ) -> None:
        """max_bytes: largest file; named: hosts that may be private; on_bytes: called with what comes in."""
        self._session, self._manners, self._max_bytes, self._named = session, manners, max_bytes, named
        self._hosts, self._on_bytes = Hosts(manners), on_bytes

    async def fetch(self, wanted: Wanted) -> int:
        """Put the file in its place; returns its size. Raises FetchFailed; OSError for the disk."""
        address = check_address(wanted.url, self._named)
        host = address.raw_host or ""
        _make_room(wanted.path)
        part_path = wanted.path.with_name(f".{wanted.path.name}.part")
        part = _read_note(part_path, wanted.url)
        attempt, furthest = 0, part.done
        while True:
            try:
                async with self._hosts.turn(host):
                    await self._bring(address, wanted, part_path, part)
                break
            except FetchFailed as failed:
                attempt = 1 if part.done - furthest >= _NOTED_FROM else attempt + 1
                furthest = max(furthest, part.done)
                if not failed.is_worth_another or attempt >= self._manners.attempts:
                    _settle(part_path, part, wanted.url, failed)
                    raise
                pause = max(failed.pause, self._manners.pause * 2 ** (attempt - 1))
                if failed.kind == THROTTLED:
                    if failed.pause > self._manners.longest_pause:
                        raise
                    self._hosts.leave_alone(host, pause)
                else:
                    await asyncio.sleep(pause)
        try:
            await asyncio.to_thread(_check_whole, part_path, wanted)
        except FetchFailed:
            _forget(part_path)
            raise
        os.replace(part_path, wanted.path)
        _note_path(part_path).unlink(missing_ok=True)
        return part.done

    async def _bring(self, address: URL, wanted: Wanted, path: Path, part: _Part) -> None:
        """One attempt at what is missing of a file."""
        import aiohttp

        if not part.validator:
            _begin_anew(part)
        headers = {"Range": f"bytes={part.done}-", "If-Range": part.validator} if part.done else {}
        try:
            for _ in range(_MOST_REDIRECTS + 1):
                async with self._session.get(address, headers=headers, allow_redirects=False) as said:
                    location = said.headers.get("Location") if said.status in _REDIRECTS else None
                    if location is None:
                        await self._take(wanted, said, path, part)
                        return
                    address = redirected(address, location, self._named)
        except (aiohttp.ClientError, aiohttp.InvalidURL, TimeoutError) as error:
            raise FetchFailed.of_connection(error) from error
        except ValueError as error:  # what aiohttp and yarl say of odd addresses and headers
            raise FetchFailed(STATUS, f"the answer cannot be understood ({error})") from error
        raise FetchFailed(STATUS, f"the server redirects more than {_MOST_REDIRECTS} times")

    async def _take(self, wanted: Wanted, said: aiohttp.ClientResponse, path: Path, part: _Part) -> None:
        if said.status == 416 and part.done and part.total == part.done:
            return  # all of it was here
        if said.status not in (200, 206):
            if said.status == 416:
                _begin_anew(part)
                raise FetchFailed(CONNECTION, "the file has become shorter; it is fetched anew")
            raise FetchFailed.of_status(said.status, said.reason or "", retry_after(said.headers.get("Retry-After")))
        if said.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
            raise FetchFailed(WRONG_TYPE, "the server sends it compressed, which was not asked for")
        self._place(said, part)
        self._check_size(part.total, wanted)
        begin, first = time.monotonic(), part.done
        head = b"" if part.done == 0 else b"x" * HEAD_BYTES
        with open(path, "r+b" if path.exists() else "wb") as file:
            file.truncate(part.done)
            file.seek(part.done)
            async for piece in said.content.iter_chunked(_READ_AT_ONCE):
                if len(head) < HEAD_BYTES:
                    head += piece[: HEAD_BYTES - len(head)]
                    if len(head) == HEAD_BYTES:
                        check_content(head, wanted.path.name)
                file.write(piece)
                if part.done < _NOTED_FROM <= part.done + len(piece):
                    _write_note(path, part, wanted.url)
                part.done += len(piece)
                self._on_bytes(len(piece))
                self._check_size(part.done, wanted)
                seconds = time.monotonic() - begin
                if seconds > _SLOW_AFTER and part.done - first < seconds * _SLOWEST:
                    raise FetchFailed(TIMEOUT, f"brings less than {_SLOWEST} bytes a second")
        if part.total is not None and part.done != part.total:
            found, part.done = part.done, min(part.done, part.total)
            raise FetchFailed(CONNECTION, f"{found} of {part.total} bytes came")

    def _place(self, said: aiohttp.ClientResponse, part: _Part) -> None:
        """Find out where in the file the answer begins, and how long that is."""
        length = said.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else None
        if said.status == 206:
            found = _CONTENT_RANGE.fullmatch(said.headers.get("Content-Range", "").strip())
            total = None if found is None or found[2] == "*" else int(found[2])
            if found is None or int(found[1]) != part.done or (part.total or total) != total:
                _begin_anew(part)
                raise FetchFailed(CONNECTION, "the server sends another range than was asked for; it is fetched anew")
            part.total = total
            return
        _begin_anew(part)
        part.total = size
        tag = said.headers.get("ETag", "")
        part.validator = tag if tag.startswith('"') else said.headers.get("Last-Modified", "")

    def _check_size(self, num_bytes: int | None, wanted: Wanted) -> None:
        if num_bytes is None:
            return
        if wanted.num_bytes is not None and num_bytes > wanted.num_bytes:
            raise FetchFailed(TOO_LARGE, f"has {num_bytes} bytes, the release has {wanted.num_bytes}")
        if self._max_bytes is not None and num_bytes > self._max_bytes:
            raise FetchFailed(TOO_LARGE, f"has {num_bytes} bytes or more, --max-bytes allows {self._max_bytes}")


def check_digest(path: Path, digest: str) -> None:
    """Compare a file with its published checksum. Raises FetchFailed."""
    name, _, expected = digest.partition(":")
    if not digest:
        return
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, name).hexdigest()
    if found != expected:
        raise FetchFailed(CHECKSUM, f"{name} {found}, the release says {expected}")


def _make_room(path: Path) -> None:
    """Make the folder of a file. Raises FetchFailed where another row's file is in the way."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise FetchFailed(REFUSED, f"a file is in the place of its folder {path.parent}") from None
    if path.is_dir():
        raise FetchFailed(REFUSED, f"a folder is in the place of {path}")


def _check_whole(path: Path, wanted: Wanted) -> None:
    with open(path, "rb") as file:
        check_content(file.read(HEAD_BYTES), wanted.path.name)
    if wanted.num_bytes is not None and path.stat().st_size != wanted.num_bytes:
        raise FetchFailed(CHECKSUM, f"has {path.stat().st_size} bytes, the release has {wanted.num_bytes}")
    check_digest(path, wanted.digest)


def _begin_anew(part: _Part) -> None:
    part.done, part.validator, part.total = 0, "", None


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _write_note(path: Path, part: _Part, url: str) -> None:
    if part.validator:
        note = {"url": url, "validator": part.validator, "total": part.total}
        _note_path(path).write_text(json.dumps(note))


def _read_note(path: Path, url: str) -> _Part:
    """What an earlier run has brought; nothing where it left no note."""
    with suppress(OSError, ValueError, AttributeError):
        note: Any = json.loads(_note_path(path).read_text())
        total = note.get("total")
        if note.get("url") == url and isinstance(note.get("validator"), str) and note["validator"].isprintable():
            return _Part(path.stat().st_size, note["validator"], total if isinstance(total, int) else None)
    return _Part()


def _settle(path: Path, part: _Part, url: str, failed: FetchFailed) -> None:
    """Keep a part that a later run can go on with, and no other."""
    if part.done < _NOTED_FROM or not part.validator or failed.is_lasting:
        _forget(path)


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)
    _note_path(path).unlink(missing_ok=True)
