"""Records of Arrow's record batches, one by one, and of the files that hold them.

Promises: files are mapped, not read, so memory is one record; each batch is checked (offsets, UTF-8) before a value of
it is looked at; what Arrow cannot read is a Damaged.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shards.base import SourceError
from shards.dataset import ParquetError, ParquetFile
from shards.storage import SourceFile, open_source
from tools.containers.files import Damaged
from tools.rows import NO_MEDIA, AnnotationError

if TYPE_CHECKING:
    import pyarrow as pa

_FETCH = "fetch it again, or accept the loss"
_BATCH = 16
"""Records of a parquet file that are decoded at once."""
_BUFFER = 1 << 22
"""Bytes of a column chunk of a parquet file that are read at once."""


Look = Callable[[Path], tuple[list[str], int]]
"""parquet_look or stream_look."""


def look_over(files: Sequence[Path], look: Look, container: Path, remedy: str) -> tuple[list[str], list[int | None]]:
    """The columns of the first file that can be read, and of each file its number of records, None for a damaged one,
    whose records say why. Raises AnnotationError where none can be read."""
    names: list[str] | None = None
    counts: list[int | None] = []
    for path in files:
        try:
            found, count = look(path)
        except Damaged:
            counts.append(None)
            continue
        names = names or found
        counts.append(count)
    if names is None:
        raise AnnotationError(f"{container}: none of the {len(files)} files can be read{remedy}")
    return names, counts


def parquet_look(path: Path) -> tuple[list[str], int]:
    """(columns, number of records) of a parquet file. Raises Damaged."""
    with _as_damage(), _parquet(path) as table:
        return list(table.schema_arrow.names), int(table.metadata.num_rows)


def parquet_records(path: Path, columns: list[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(number, values by column) of each record, of these columns. Raises Damaged."""
    with _as_damage(), _parquet(path) as table:
        yield from _numbered(table.iter_batches(batch_size=_BATCH, columns=columns, use_threads=False))


def stream_look(path: Path) -> tuple[list[str], int]:
    """(columns, number of records) of an Arrow file as `datasets` writes it. Raises Damaged."""
    with _as_damage(), _opened(path) as batches:
        return list(batches.schema.names), sum(batch.num_rows for batch in batches)


def stream_records(path: Path, columns: list[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(number, values by column) of each record of such a file, of these columns. Raises Damaged."""
    with _as_damage(), _opened(path) as batches:
        yield from _numbered(batches, columns)


def footer_records(path: Path, start: int, size: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(number, values by column) of each record of an Arrow file that is these bytes of a file. Raises Damaged."""
    import pyarrow as pa

    with _as_damage(), pa.memory_map(os.fspath(path)) as mapped:
        mapped.seek(start)
        part = pa.BufferReader(mapped.read_buffer(size))
        if part.read_buffer(6).to_pybytes() != b"ARROW1":
            part.seek(0)
            yield from _numbered(pa.ipc.open_stream(part))
            return
        part.seek(0)
        with pa.ipc.open_file(part) as table:
            yield from _numbered(table.get_batch(number) for number in range(table.num_record_batches))


@contextmanager
def _as_damage() -> Iterator[None]:
    """Turn what Arrow says of bytes that it cannot read into Damaged."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError:
        raise Damaged(f"the file is missing; {_FETCH}", NO_MEDIA) from None
    except (pa.ArrowException, ParquetError, SourceError, ValueError, OSError) as error:
        if isinstance(error, Damaged) or (isinstance(error, OSError) and error.errno is not None):
            raise
        text = " ".join(str(error).split())[:200]
        raise Damaged(f"cannot be read ({text}); {_FETCH}") from error


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    """A parquet file whose footer our own reader has checked: Arrow ends the process where one contradicts itself."""
    import pyarrow.parquet as pq

    with open(path, "rb") as file:
        ParquetFile(SourceFile(open_source(os.fspath(path.parent)), path.name))
        # Without pre_buffer and with a small buffer a row group is decoded page by page, however large it is.
        with pq.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER) as table:
            yield table


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import pyarrow as pa

    with pa.memory_map(os.fspath(path)) as mapped:
        if mapped.size() >= 6 and mapped.read_buffer(6).to_pybytes() == b"ARROW1":
            mapped.seek(0)
            with pa.ipc.open_file(mapped) as table:
                yield _Batches(table)
            return
        mapped.seek(0)
        with pa.ipc.open_stream(mapped) as stream:
            yield stream


class _Batches:
    """The batches of an Arrow file that is no stream."""

    def __init__(self, table: Any) -> None:
        self._table, self.schema = table, table.schema

    def __iter__(self) -> Iterator[Any]:
        return (self._table.get_batch(number) for number in range(self._table.num_record_batches))


def _numbered(
    batches: Iterable[pa.RecordBatch], columns: list[str] | None = None
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    number = 0
    for batch in batches:
        batch.validate(full=True)
        places = {name: batch.schema.get_field_index(name) for name in columns or batch.schema.names}
        held = {name: batch.column(place) for name, place in places.items() if place >= 0}  # -1: none, or several
        for at in range(batch.num_rows):
            yield number, {name: column[at].as_py() for name, column in held.items()}
            number += 1
