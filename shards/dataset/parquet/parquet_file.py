"""A parquet file from anywhere, read within a bound of memory, whatever it says about itself.

Few bytes of parquet can stand for any number of values: a page of zeros, a long text in a dictionary, a list that one
run of levels makes endless, texts that repeat what comes before them. So nothing is expanded before the headers of its
pages were read and the memory for them was added up (shards/dataset/parquet/memory.py); the footer's own numbers are
not trusted.

Promises: opening takes at most MAX_FOOTER bytes, a row group MAX_GROUP; what would take more, and what is no parquet,
is a ParquetError. The pages that were checked are those that are read, also where a store gives other bytes when it is
asked again. Gives up: encrypted files, lists of lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shards.base.errors import PrintableError, SourceError
from shards.dataset.parquet.footer import Chunk, read_footer, read_row_groups
from shards.dataset.parquet.kept_file import MAX_GROUP, KeptFile
from shards.dataset.parquet.memory import memory_from_malloc, memory_of
from shards.storage.file import SeekableFile

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_FOOTER_TEXT = 1 << 16


class ParquetError(PrintableError, ValueError):
    """A file that is no parquet, is damaged, or would take more memory than is allowed."""


class ParquetFile:
    """An open parquet file whose footer was checked; each row group is checked when it is read."""

    def __init__(self, file: SeekableFile, dictionaries: Sequence[str] = (), max_group: int = MAX_GROUP) -> None:
        """dictionaries: columns of texts that stay dictionaries in the table. max_group: bytes that the columns that
        are read of a row group may take in memory.

        Raises ParquetError, and the SourceErrors of the file.
        """
        import pyarrow.parquet as pq

        self._file, self._max_group = KeptFile(file), max_group
        with _as_parquet_errors(), memory_from_malloc():
            self._footer = read_footer(self._file)
            # Without pre_buffer: the chunks that are read were fetched already.
            limit = {"thrift_string_size_limit": _MAX_FOOTER_TEXT, "pre_buffer": False}
            self.metadata = pq.ParquetFile(self._file, **limit).metadata
            schema = self.metadata.schema
            self._columns = [schema.column(i) for i in range(self.metadata.num_columns)]
            texts = {column.path for column in self._columns if column.physical_type == "BYTE_ARRAY"}
            self._dictionaries = texts.intersection(dictionaries)
            self._parquet = pq.ParquetFile(
                self._file, metadata=self.metadata, read_dictionary=list(self._dictionaries), **limit
            )
            self.schema_arrow: pa.Schema = self._parquet.schema_arrow
        self._groups: list[list[Chunk]] | None = None

    def read_row_group(self, group: int, columns: Iterable[str] | None = None) -> pa.Table:
        """A row group, or some columns of it."""
        names = None if columns is None else list(columns)
        with _as_parquet_errors():
            chunks = self._chunks(group, names)
            with self._file.keeping(list(chunks.values())) as data:
                self._check(chunks, data)
                table = self._parquet.read_row_group(group, columns=names, use_threads=False)
                table.validate(full=True)  # UTF-8, and that indices are in their dictionaries
                return table

    def read(self) -> pa.Table:
        """The whole table of a small file."""
        import pyarrow as pa

        tables: list[pa.Table] = []
        for group in range(self.metadata.num_row_groups):
            tables.append(self.read_row_group(group))
            if sum(table.get_total_buffer_size() for table in tables) > self._max_group:
                raise ParquetError(f"takes more than {self._max_group >> 20} MiB")
        return pa.concat_tables(tables) if tables else self.schema_arrow.empty_table()

    def span(self, group: int, columns: Iterable[str]) -> tuple[int, int]:
        """(start, stop) of the bytes that hold some columns of a row group; (0, 0) for a damaged one."""
        try:
            chunks = self._chunks(group, list(columns)).values()
        except ValueError:
            return 0, 0  # reading the row group raises the error
        return min(chunk.start for chunk in chunks), max(chunk.stop for chunk in chunks)

    def _chunks(self, group: int, names: list[str] | None) -> dict[int, Chunk]:
        """The chunks of a row group that hold the named columns, by number of their column."""
        if self._groups is None:
            with _as_parquet_errors():
                written_by = str(self.metadata.created_by)
                self._groups = read_row_groups(self._footer, len(self._columns), self._file.num_bytes, written_by)
        chunks = {
            number: chunk
            for number, chunk in enumerate(self._groups[group])
            if names is None or self._columns[number].path.partition(".")[0] in names
        }
        if sum(chunk.stop - chunk.start for chunk in chunks.values()) > self._max_group:
            raise ValueError(f"row group {group} has more than {self._max_group >> 20} MiB")
        return chunks

    def _check(self, chunks: dict[int, Chunk], data: list[memoryview]) -> None:
        """Raise ValueError for chunks that would take more memory than is allowed."""
        left = self._max_group
        for (number, chunk), stored in zip(chunks.items(), data, strict=True):
            column = self._columns[number]
            try:
                left -= memory_of(column, chunk, stored, column.path in self._dictionaries, self._max_group)
            except ValueError as error:
                raise ValueError(f"{column.path} {error}") from None
            if left < 0:
                raise ValueError(f"stands for more than {self._max_group >> 20} MiB, up to {column.path}")


@contextmanager
def _as_parquet_errors() -> Iterator[None]:
    """Turn every exception that hostile bytes cause, here and inside Arrow, into a ParquetError; SourceErrors stay."""
    import pyarrow as pa

    try:
        yield
    except (SourceError, ParquetError):
        raise
    except (ValueError, OSError, pa.ArrowException, MemoryError, OverflowError, IndexError, KeyError) as error:
        raise ParquetError(str(error) or type(error).__name__) from error
