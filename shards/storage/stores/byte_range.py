"""ByteRange: how a store is asked for a range of bytes, and what its answer must hold."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from shards.storage.stores.request_failed import RequestFailed
from shards.storage.stores.store import Write

_PIECE = 1 << 20
"""Bytes that are given to `write` at once."""


class ByteRange(NamedTuple):
    """A range as `Source.read` takes it: a negative offset counts from the end, length None means to the end."""

    offset: int
    length: int | None

    @property
    def header(self) -> str | None:
        """The header Range of the request; None asks for the whole file."""
        offset, length = self
        if length is None:
            return f"bytes={offset or ''}{'' if offset < 0 else '-'}" if offset else None
        return f"bytes={offset}-{offset + length - 1}"

    def check_answer(self, content_range: str | None, size: int | None) -> tuple[int, int | None]:
        """(bytes that the body must have, -1: unknown; size of the file) of an answer. Raises RequestFailed.

        content_range: the header, None in an answer that is the whole file. size: the header Content-Length.
        """
        offset, length = self
        if content_range is None:
            asked_for_all = length is None and (offset == 0 or (size is not None and -offset >= size))
            if not asked_for_all and (offset or size is None or length is None or size > length):
                raise RequestFailed("refused", "the server ignores byte ranges", "use one that serves them")
            return -1 if size is None else size, size
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", content_range.strip())
        if found is None:
            reason = f"the server answers a range with {content_range[:60]!r}"
            raise RequestFailed("refused", reason, "use another server")
        first, last = int(found[1]), int(found[2])
        total = None if found[3] == "*" else int(found[3])
        expected = offset if offset >= 0 else first if total is None else max(0, total + offset)
        if first != expected or last < first or (length is not None and last >= offset + length):
            reason = f"the server answers with bytes {first} to {last}, not from {expected} on"
            raise RequestFailed("refused", reason, "use another server")
        end = last + 1 if total is None else total if length is None else min(total, offset + length)
        if last + 1 < end:
            raise RequestFailed("unavailable", f"the server gives bytes {first} to {last} only")
        return last + 1 - first, total


async def read_body(body: Any, num_bytes: int, write: Write | None) -> bytes:
    """All bytes of an answer's body, or b"" where they went to `write`; -1: their number is not known."""
    data, got = b"", 0
    if write is None:
        data = await body.read()
        got = len(data)
    else:
        while piece := await body.read(_PIECE):
            write(piece)
            got += len(piece)
    if num_bytes >= 0 and got != num_bytes:
        raise RequestFailed("unavailable", f"the connection was cut after {got} of {num_bytes} bytes")
    return data
