"""The plan of a build: what would become of every row, without reading a medium or writing anything (`--dry-run`).

Promises: annotations are parsed whole and media are found by name and size, as the build does it. Memory stays the same
however many rows there are.
Gives up: what only the bytes of a medium tell (damaged files), and what is refused when a sample is written as json.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from shards.base import DiskTable
from shards.cli import Progress
from shards.dataset import MAX_MEDIA_BYTES, Report
from shards.media import MEDIA_EXTENSIONS
from shards.storage import is_remote
from tools.building.cost import media_size, num_requests
from tools.rows import BAD_MEDIA, DUPLICATE, BadRow, Row

_SHARD_BYTES = 1 << 30
"""Bytes of media with which a shard is closed (DatasetWriter)."""


@dataclass(slots=True, kw_only=True)
class Plan(Report):
    """What a build would make; bytes are those of the media to read."""

    num_dropped: int = 0
    """Text records that rows with others leave out."""
    num_requests: int = 0
    """To the store, where the dataset is written to one."""


def plan(
    rows: Iterable[Row | BadRow],
    out: str,
    name: str,
    source: str,
    *,
    samples_per_shard: int,
    progress: Progress | None = None,
) -> Plan:
    """The plan for `rows`; source: name of the annotation file, for reasons. Raises what rows raises."""
    begin = time.monotonic()
    found, keys = Plan(name=name, out=out), DiskTable()
    samples = size_of_shard = 0
    for row in rows:
        size = media_size(row)
        bad = _refusal(row, size, keys, source)
        found.num_rows += 1
        if bad is not None:
            found.refuse(bad.kind, bad.example)
        else:
            assert isinstance(row, Row) and size is not None
            found.num_dropped += len(row.dropped)
            found.num_samples += 1
            found.num_records += len(row.records)
            found.bytes += size
            if samples and (samples == samples_per_shard or size_of_shard + size > _SHARD_BYTES):
                samples = size_of_shard = 0
            found.num_shards += samples == 0
            samples, size_of_shard = samples + 1, size_of_shard + size
        if progress is not None:
            progress.update(found.num_rows, quarantined=found.quarantined)
    keys.close()
    found.check({"samples and quarantine have": found.num_samples + found.num_quarantined})
    if is_remote(out):
        found.num_requests = num_requests(found.num_shards, found.bytes)
    found.seconds = time.monotonic() - begin
    return found


def _refusal(row: Row | BadRow, size: int | None, keys: DiskTable, source: str) -> BadRow | None:
    """Why a row would give no sample, as far as it can be known without its medium's bytes."""
    if isinstance(row, BadRow):
        return row

    def bad(category: str, why: str) -> BadRow:
        return BadRow.at(row.record_id, source, category, why)

    if row.extension not in MEDIA_EXTENSIONS:
        return bad(BAD_MEDIA, f"{row.media_path}: extension {row.extension!r} is none of {', '.join(MEDIA_EXTENSIONS)}")
    if size is None:
        return bad(BAD_MEDIA, f"{row.media_path}: cannot be looked at; correct it, or accept the loss")
    if not 0 < size <= MAX_MEDIA_BYTES:
        return bad(BAD_MEDIA, f"{row.media_path}: has {size} bytes, 1 to {MAX_MEDIA_BYTES} can be used")
    if (other := keys.setdefault(row.key, row.record_id)) != row.record_id:
        return bad(DUPLICATE, f"key {row.key!r} is taken already by {other}: remove or rename one of the two")
    return None
