"""The record of one tar: its rows and what else an index needs of it, kept aside in OUT/unfinished/HASH.arrow.

It is made where the tar is read, in this process, another one or on another machine, and travels to the driver as
bytes. A run that was killed leaves the records of the tars that it finished; the next run uses those of unchanged tars.
"""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from shards.base.errors import SourceError
from shards.dataset.index.shard_table import ShardEntry, total_records
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


_KEY = b"part"
"""Key in the metadata of the rows, as it was named when the first records were written."""


class TarTask(NamedTuple):
    """One tar to read, in this process or another one."""

    root: str
    name: str
    expected: Stat
    """Size and version that the tar must still have when it was read."""
    looks: Looks
    roots: tuple[str, ...] = ()
    """Places to which a web server may redirect beside itself."""

    def record(self, source: Source) -> bytes | str:
        """Read the tar and make its record; if the tar cannot be indexed, the reason in its place."""
        path = f"{source.url}/{self.name}"
        try:
            found = _samples_of(source, self)
            now = source.stat(self.name)
        except TarError as error:
            return str(error)
        except OSError as error:
            text = str(error) if isinstance(error, SourceError) else ""
            return text or f"{path}: cannot be read ({error.strerror or error})"
        if now != self.expected:
            return f"{path}: changed while it was read; index it again when nobody writes there"
        num_elements = total_records([row.num_records for row in found.rows])
        entry = ShardEntry(self.name, len(found.rows), num_elements, now.size, found.checksum)
        about = json.dumps([list(entry), now.version, found.quarantined, found.notes]).encode()
        return _packed(rows_table(0, found.rows, self.looks.media).replace_schema_metadata({_KEY: about}))


def record_name(tar: str) -> str:
    """Name of the record of a tar in unfinished/: a hash, as the name of a tar may already have the longest length."""
    import xxhash

    return f"{xxhash.xxh3_64_hexdigest(tar.encode(errors='surrogateescape'))}.arrow"


def read_record(unfinished: Source, name: str) -> Piece | None:
    """The piece of an index that a record holds; None if the record is not whole (the machine stopped)."""
    import pyarrow as pa

    def rows() -> Any:
        return pa.ipc.open_file(pa.BufferReader(unfinished.read(name))).read_all()

    def about(table: Any) -> Any:
        return json.loads(table.schema.metadata[_KEY])

    try:
        # All rows are read: blocks of zeros may follow a header that is whole.
        entry, state, quarantined, notes = about(rows())
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return None
    return Piece(ShardEntry(*entry), state, len(quarantined), rows, lambda: about(rows())[2], notes)


def _samples_of(source: Source, task: TarTask) -> ShardSamples:
    if isinstance(source, LocalSource):
        path = os.path.join(source.url, task.name)
        return read_samples(scan_all(path), path, task.looks)
    read, num_bytes, where = partial(source.read, task.name), task.expected.size, f"{source.url}/{task.name}"
    if task.looks.checksums:
        return stream_samples(read, num_bytes, where, task.looks)
    return read_samples(scan_far(lambda length, offset: read(offset, length), num_bytes, where), "", task.looks)


def _packed(table: pa.Table) -> bytes:
    # Arrow's own format: a parquet file of a few rows takes many times longer to write and to read.
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as file:
        file.write_table(table)
    return bytes(sink.getvalue())
