"""What a build costs, before it starts: bytes to read, shards, requests to a store.

The time that it takes is measured: the first heartbeat, ten seconds after the start, gives the rate and the time left.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from shards.cli import human_bytes
from shards.storage import is_remote
from tools.rows import BadRow, Row

NUM_PEEKED = 8
"""Rows whose media are looked at for the mean size; `--dry-run` looks at all."""
_SHARD_REQUESTS = 6
"""For each shard beside its own bytes: version, record, and at the end the record twice again and its removal."""
_UPLOAD_BYTES = 50 << 20
"""Of one request of an upload in parts."""
_END_REQUESTS = 12
"""For the place as a whole: lists, the claim, and the files of the index."""


def num_requests(num_shards: int, num_bytes: int) -> int:
    """About how many requests a build makes to the store that it writes to."""
    per_shard = num_bytes / max(num_shards, 1) / _UPLOAD_BYTES
    uploads = num_shards * (1 if per_shard <= 1 else int(per_shard) + 3)
    return uploads + num_shards * _SHARD_REQUESTS + _END_REQUESTS


def foresee(
    rows: Iterator[Row | BadRow], total: int, out: str, samples_per_shard: int
) -> tuple[str, Iterator[Row | BadRow]]:
    """(the cost in a line, the rows), from the sizes of the first media. total: about how many rows; 0: not known.

    Media are looked at, not read.
    """
    first: list[Row | BadRow] = []
    sizes: list[int] = []
    for row in rows:
        first.append(row)
        size = media_size(row)
        if size is not None:
            sizes.append(size)
        if len(first) == NUM_PEEKED or (isinstance(row, Row) and row.media is not None):
            break
    if len(first) < NUM_PEEKED and not (first and isinstance(first[-1], Row) and first[-1].media is not None):
        total = len(first)
    if not sizes:
        return f"cost: {total:,} rows; none of the first {len(first)} has a medium", chain(first, rows)
    mean = sum(sizes) / len(sizes)
    what = f"mean of the first {len(sizes):,}: {human_bytes(mean)}"
    if not total:
        return f"cost: the number of rows is not known before they are read; {what}", chain(first, rows)
    samples = total * len(sizes) / len(first)
    num_bytes, num_shards = int(samples * mean), -(-int(samples) // samples_per_shard)
    line = f"cost: about {total:,} rows, {human_bytes(num_bytes)} to read ({what}), {num_shards:,} shards"
    if is_remote(out):
        line += f", {num_requests(num_shards, num_bytes):,} requests to the store"
    return line, chain(first, rows)


def media_size(row: Row | BadRow) -> int | None:
    """Bytes of the medium of a row; None if it has none that can be looked at."""
    if isinstance(row, BadRow):
        return None
    if row.media is not None or row.media_path is None:
        return len(row.media or b"")
    try:
        return row.media_path.stat().st_size
    except OSError:
        return None
