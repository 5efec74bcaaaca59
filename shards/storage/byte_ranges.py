"""Byte ranges: how a store is asked for one, and what its answer must hold."""

from __future__ import annotations

import re
from typing import Any

from shards.storage.request_failed import Failure
from shards.storage.stores import Write

_PIECE = 1 << 20


def range_header(offset: int, length: int | None) -> str | None:
    if length is None:
        return f"bytes={offset or ''}{'' if offset < 0 else '-'}" if offset else None
    return f"bytes={offset}-{offset + length - 1}"


def expected_body(
    offset: int, length: int | None, content_range: str | None, size: int | None
) -> tuple[int, int | None]:
    """(bytes that the body must have, -1: unknown; size of the file) of an answer. Raises Failure.

    content_range: the header, None in an answer that is the whole file. size: the header Content-Length.
    """
    if content_range is None:
        asked_for_all = length is None and (offset == 0 or (size is not None and -offset >= size))
        if not asked_for_all and (offset or size is None or length is None or size > length):
            raise Failure("refused", "the server ignores byte ranges", "use one that serves them")
        return -1 if size is None else size, size
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", content_range.strip())
    if found is None:
        raise Failure("refused", f"the server answers a range with {content_range[:60]!r}", "use another server")
    first, last = int(found[1]), int(found[2])
    total = None if found[3] == "*" else int(found[3])
    expected = offset if offset >= 0 else first if total is None else max(0, total + offset)
    if first != expected or last < first or (length is not None and last >= offset + length):
        raise Failure(
            "refused", f"the server answers with bytes {first} to {last}, not from {expected} on", "use another server"
        )
    end = last + 1 if total is None else total if length is None else min(total, offset + length)
    if last + 1 < end:
        raise Failure("again", f"the server gives bytes {first} to {last} only")
    return last + 1 - first, total


async def body_of(body: Any, num_bytes: int, write: Write | None) -> bytes:
    """What `body.read` gives, which should be so many bytes; -1: nobody knows."""
    data, got = b"", 0
    if write is None:
        data = await body.read()
        got = len(data)
    else:
        while piece := await body.read(_PIECE):
            write(piece)
            got += len(piece)
    if num_bytes >= 0 and got != num_bytes:
        raise Failure("again", f"the connection was cut after {got} of {num_bytes} bytes")
    return data
