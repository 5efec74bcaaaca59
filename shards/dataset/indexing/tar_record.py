"""The rows of one tar, written aside until the index is made: OUT/unfinished/HASH.arrow."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from shards.base.errors import SourceError
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.write_index import rows_table
from shards.dataset.indexing.publish import Piece
from shards.dataset.tars.looks import Looks
from shards.dataset.tars.tar import scan_all, scan_far
from shards.dataset.tars.tar_header import TarError
from shards.dataset.tars.tar_samples import ShardSamples, read_samples, stream_samples
from shards.storage.local import LocalSource
from shards.storage.source import Source, Stat

if TYPE_CHECKING:
    import pyarrow as pa


class TarTask(NamedTuple):
    root: str
    name: str
    expected: Stat
    looks: Looks
    part: str
    """Local path to write the rows to."""
    roots: tuple[str, ...] = ()


def write_record(task: TarTask, source: Source) -> str | None:
    """Write the part file of one shard; returns what is wrong with the shard instead, if something is."""
    path = f"{source.url}/{task.name}"
    try:
        found = _look(source, task)
        now = source.stat(task.name)
    except TarError as error:
        return str(error)
    except OSError as error:
        return str(error) if isinstance(error, SourceError) else f"{path}: cannot be read ({error.strerror or error})"
    if now != task.expected:
        return f"{path}: changed while it was read; index it again when nobody writes there"
    num_records = [row.num_records for row in found.rows]
    num_elements = -1 if -1 in num_records else sum(num_records)
    entry = ShardEntry(task.name, len(found.rows), num_elements, now.size, found.checksum)
    about = json.dumps([list(entry), now.version, found.quarantined, found.notes]).encode()
    table = rows_table(0, found.rows, task.looks.media).replace_schema_metadata({"part": about})
    os.makedirs(os.path.dirname(task.part), exist_ok=True)
    _write_part(task.part, table)
    return None


def _look(source: Source, task: TarTask) -> ShardSamples:
    if isinstance(source, LocalSource):
        path = os.path.join(source.url, task.name)
        return read_samples(scan_all(path), path, task.looks)
    read, num_bytes, where = partial(source.read, task.name), task.expected.size, f"{source.url}/{task.name}"
    if task.looks.checksums:
        return stream_samples(read, num_bytes, where, task.looks)
    return read_samples(scan_far(lambda length, offset: read(offset, length), num_bytes, where), "", task.looks)


def record_name(shard: str) -> str:
    import xxhash

    return f"{xxhash.xxh3_64_hexdigest(shard.encode(errors='surrogateescape'))}.arrow"


def _write_part(path: str, table: pa.Table) -> None:
    # Arrow's own format: a parquet file of a few rows takes many times longer to write and to read.
    import pyarrow as pa

    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as file:
        file.write_table(table)


def read_record(unfinished: Source, name: str) -> Piece | None:
    """A part file; None if it is not whole (the machine stopped), it is then made again."""
    import pyarrow as pa

    def read_part() -> Any:
        return pa.ipc.open_file(pa.BufferReader(unfinished.read(name))).read_all()

    def about(part: Any) -> Any:
        return json.loads(part.schema.metadata[b"part"])

    try:
        # With all rows: blocks of zeros may follow a header that is whole.
        entry, state, quarantined, notes = about(read_part())
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return None
    return Piece(ShardEntry(*entry), state, len(quarantined), read_part, lambda: about(read_part())[2], notes)
