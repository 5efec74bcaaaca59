"""Side table of looks: what is kept of every medium of a dataset (tools/duplicates/look.py), in one parquet file.

Columns: shard, key; size and checksum of the medium as the index has them; pixels; hashes and thumbs as bytes; stage
and reason where a medium could not be looked at. The metadata `side_of` is {"dataset", "fingerprint"}, as that of every
side table.
Promises: made once for a dataset, a shard at a time; a run that was killed goes on after the shards that are done; a
table of another dataset, of another index of it, or of other hashes is made anew. Rows are in the order of the dataset.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from shards.base import ConversionError, DatasetError, Engine, MediaError, logger, shown
from shards.cli import Progress
from shards.read import Fetched, Reader, SampleError
from tools.duplicates.look import look_at

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1
"""Of frames, boxes and hashes; to be raised where one of them changes."""
_SIDE_OF, _LOOKS = b"side_of", b"looks"
_NO_FACTS = "facts"
_AT_ONCE = 8
"""Media that are fetched together."""
_ROWS = 4096
"""Rows of a row group, at most."""
_log = logger(__name__)


class Place(NamedTuple):
    """Where a dataset is."""

    name: str | None
    """None: the one in its index."""
    address: str
    roots: tuple[str, ...] = ()


def schema() -> pa.Schema:
    """The columns of a table."""
    import pyarrow as pa

    texts = {name: pa.string() for name in ("shard", "key", "stage", "reason")}
    numbers = {"size": pa.int64(), "checksum": pa.uint32(), "pixels": pa.int64()}
    return pa.schema({**texts, **numbers, "hashes": pa.binary(), "thumbs": pa.binary()})


def make_side_table(place: Place, reader: Reader, folder: Path, engine: Engine, progress: Progress | None) -> Path:
    """The path of the table of a dataset in `folder`, made now unless it is there.

    Raises DatasetError for an index without media facts, SourceError, OSError, and what the engine raises.
    """
    path = folder / f"{file_name(reader.name)}-{reader.fingerprint[:8]}.parquet"
    metadata = _metadata(reader)
    counts = reader.index.shards.num_samples.tolist()
    if path.exists():
        if _metadata_of(path) == metadata:
            return path
        _log.warning("%s: is not of %s as it is now; it is made anew", path, shown(place.address))
    import xxhash

    parts = folder / f"{file_name(reader.name)}-{xxhash.xxh3_64_hexdigest(b''.join(metadata.values()))}.parts"
    parts.mkdir(parents=True, exist_ok=True)
    missing = [shard for shard in range(len(counts)) if not (parts / f"{shard:08d}").exists()]
    if progress is not None:
        progress.skip(sum(counts) - sum(counts[shard] for shard in missing))
    for shard, data in engine(partial(_look_at_shard, place), missing):
        _write(parts / f"{shard:08d}", data)
        if progress is not None:
            progress.advance(counts[shard])
    _join(parts, len(counts), path, metadata, sum(counts))
    shutil.rmtree(parts)
    return path


def _look_at_shard(place: Place, shard: int) -> tuple[int, bytes]:
    """(shard, the rows of it as a parquet file)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    reader = _reader(place)
    rows = [
        row
        for first in range(0, int(reader.index.shards.num_samples[shard]), _AT_ONCE)
        for row in _look_at_some(reader, shard, first)
    ]
    if rows and all(row.get("stage") == _NO_FACTS for row in rows):
        raise DatasetError(
            f"{shown(place.address)}: the index holds no media facts of {rows[0]['shard']}, so no frame can be chosen; "
            f"index it again with --media (python -m shards index {shown(place.address)} --media)"
        )
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema()), out, row_group_size=_ROWS, compression="zstd")
    return shard, out.getvalue()


@lru_cache(maxsize=4)
def _reader(place: Place) -> Reader:
    return open_reader(place)


def open_reader(place: Place) -> Reader:
    """A reader of the samples of a dataset. Raises DatasetError, SourceError."""
    return Reader(place.name, place.address, "sample", partial_bytes=4 << 20, roots=place.roots)


def _look_at_some(reader: Reader, shard: int, first: int) -> list[dict[str, Any]]:
    stop = min(first + _AT_ONCE, int(reader.index.shards.num_samples[shard]))
    fetched = reader.fetch([shard] * (stop - first), list(range(first, stop)))
    return [_row(reader, shard, first + number, found) for number, found in enumerate(fetched)]


def _row(reader: Reader, shard: int, sample: int, fetched: Fetched | SampleError) -> dict[str, Any]:
    rows = reader.index.rows(shard)
    facts = rows.facts(sample, partial(reader.index.gop_table, shard, sample))
    medium = rows.medium(sample)
    row: dict[str, Any] = {"shard": reader.index.shards.names[shard], "key": rows.keys[sample]}
    if medium is not None:
        row |= {"size": medium.size, "checksum": medium.checksum, "pixels": facts.width * facts.height}
    if isinstance(fetched, SampleError):
        return {**row, "stage": "read", "reason": fetched.reason}
    if facts.num_frames == facts.width == facts.height == 0:
        return {**row, "stage": _NO_FACTS, "reason": "the index holds no facts of it"}
    try:
        look = look_at(fetched.media, facts)
    except MediaError as error:
        return {**row, "stage": "decode", "reason": str(error)}
    hashes, thumbs = look.packed()
    flat = {} if hashes else {"stage": "flat", "reason": "all its frames are flat, as black ones are"}
    return {**row, **flat, "hashes": hashes, "thumbs": thumbs}


def _metadata(reader: Reader) -> dict[bytes, bytes]:
    side_of = {"dataset": str(reader.index.dataset["name"]), "fingerprint": reader.fingerprint}
    looks = {"version": VERSION, "layout": reader.index.layout_digest()}
    return {_SIDE_OF: json.dumps(side_of).encode(), _LOOKS: json.dumps(looks).encode()}


def _metadata_of(path: Path) -> dict[bytes, bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError):
        return {}
    known = found.metadata or {}
    return {name: known[name] for name in (_SIDE_OF, _LOOKS) if name in known} if found.equals(schema()) else {}


def _join(parts: Path, num_parts: int, path: Path, metadata: dict[bytes, bytes], num_rows: int) -> None:
    import pyarrow.parquet as pq

    aside, written = path.with_name(f"{path.name}.part"), 0
    with pq.ParquetWriter(aside, schema().with_metadata(metadata), compression="zstd") as writer:
        for number in range(num_parts):
            with pq.ParquetFile(parts / f"{number:08d}") as part:
                for group in range(part.num_row_groups):
                    table = part.read_row_group(group)
                    writer.write_table(table)
                    written += table.num_rows
    if written != num_rows:
        raise ConversionError(
            f"{parts}: its parts hold {written} rows, the dataset has {num_rows} samples; remove the folder and start "
            "again"
        )
    os.replace(aside, path)


def _write(path: Path, data: bytes) -> None:
    aside = path.with_name(f"{path.name}.part")
    aside.write_bytes(data)
    os.replace(aside, path)


def file_name(name: str | None) -> str:
    """The name of a dataset as that of a file; it comes from data, so only harmless characters stay."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name or "")[:80] or "dataset"
