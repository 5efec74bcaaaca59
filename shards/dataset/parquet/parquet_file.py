"""A parquet file from anywhere, read within a bound of memory, whatever it says about itself.

Few bytes of parquet can stand for any number of values: a page of zeros, a long text in a dictionary, a list that one
run of levels makes endless, texts that repeat what comes before them. So nothing is expanded before the headers of its
pages were read, and what they would take was added up; the footer's own numbers are not trusted.

Promises: opening takes at most MAX_FOOTER bytes, a row group MAX_GROUP; what would take more, and what is no parquet,
is a ParquetError. The pages that were checked are those that are read, also of a store that answers otherwise when
asked again. Gives up: encrypted files, lists of lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shards.base.errors import PrintableError, SourceError
from shards.dataset.parquet.thrift import Thrift
from shards.storage.file import SeekableFile

if TYPE_CHECKING:
    import pyarrow as pa

MAX_FOOTER = 1 << 29
MAX_GROUP = 1 << 29
"""Bytes that a footer or the columns that are read of a row group may take in memory."""
_SMALL_FOOTER = 3 << 19
"""Bytes of a footer that cannot take more, however it is written; one of 1,024 row groups has fewer."""
BYTES_PER_FIELD = 64
"""What a footer takes in memory for each field and entry (measured: 45)."""
_MAX_FOOTER_TEXT = 1 << 16
_MAX_PAGES = 1 << 16
_MAX_HEADER = 1 << 16
_MAX_PAGE = 1 << 28
_NEAR = 1 << 16
"""Column chunks with a smaller gap between them are read at once."""
_OLD_HEADER = 100
"""Bytes by which Arrow reads on behind a column chunk of old writers."""
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 8}
CODECS = ("uncompressed", "snappy", "gzip", "lzo", "brotli", "lz4_raw", "zstd", "lz4_raw")
_DICTIONARY, _DELTA_TEXTS = (2, 8), 7
_COUNTED = 32
"""Bytes that counting the length of a text takes."""
_PARTS = 1024


class ParquetError(PrintableError, ValueError):
    """A file that is no parquet, is damaged, or would take more memory than is allowed."""


class ParquetFile:
    """The file, open: its footer was checked. Each row group is checked when it is read."""

    def __init__(self, file: SeekableFile, dictionaries: Sequence[str] = (), max_group: int = MAX_GROUP) -> None:
        """dictionaries: columns of texts that stay dictionaries in the table. max_group: bytes that the columns that
        are read of a row group may take in memory.

        Raises ParquetError, and what the file raises of the store.
        """
        import pyarrow.parquet as pq

        self._file, self._max_group = _Kept(file), max_group
        with as_parquet_errors():
            self._footer = check_footer(self._file)
            limit = {"thrift_string_size_limit": _MAX_FOOTER_TEXT, "pre_buffer": False}  # what is read is here already
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
        with as_parquet_errors(), self._file.keeping(self._chunks(group, names)) as chunks:
            self._check(chunks)
            table = self._parquet.read_row_group(group, columns=names, use_threads=False)
            table.validate(full=True)  # UTF-8, and that indices are in their dictionaries
            return table

    def read(self) -> pa.Table:
        """All of a small file."""
        import pyarrow as pa

        tables: list[pa.Table] = []
        for group in range(self.metadata.num_row_groups):
            tables.append(self.read_row_group(group))
            if sum(table.get_total_buffer_size() for table in tables) > self._max_group:
                raise ParquetError(f"takes more than {self._max_group >> 20} MiB")
        return pa.concat_tables(tables) if tables else self.schema_arrow.empty_table()

    def span(self, group: int, columns: Iterable[str]) -> tuple[int, int]:
        """Where the bytes of some columns of a row group begin, and end; (0, 0) where that cannot be said."""
        try:
            chunks = self._chunks(group, list(columns))
        except ValueError:
            return 0, 0  # reading it says why
        return min(chunk.start for _, chunk in chunks), max(chunk.stop for _, chunk in chunks)

    def chunks(self, group: int) -> list[Chunk]:
        """What the footer says of the column chunks of a row group, in the order of the schema.

        Read by ourselves: where it contradicts itself, Arrow's way to show it ends the process.
        """
        if self._groups is None:
            with as_parquet_errors():
                written_by = str(self.metadata.created_by)
                self._groups = read_groups(self._footer, len(self._columns), self._file.num_bytes, written_by)
        return self._groups[group]

    def _chunks(self, group: int, names: list[str] | None) -> list[tuple[int, Chunk]]:
        """(column, chunk) of those that are read."""
        chunks = [
            (number, chunk)
            for number, chunk in enumerate(self.chunks(group))
            if names is None or self._columns[number].path.partition(".")[0] in names
        ]
        if sum(chunk.stop - chunk.start for _, chunk in chunks) > self._max_group:
            raise ValueError(f"row group {group} has more than {self._max_group >> 20} MiB")
        return chunks

    def _check(self, chunks: list[tuple[int, Chunk, memoryview]]) -> None:
        left = self._max_group
        for number, chunk, data in chunks:
            path = self._columns[number].path
            try:
                left -= self._cost(self._columns[number], chunk, data)
            except ValueError as error:
                raise ValueError(f"{path} {error}") from None
            if left < 0:
                raise ValueError(f"stands for more than {self._max_group >> 20} MiB, up to {path}")

    def _cost(self, column: Any, about: Chunk, data: memoryview) -> int:
        """Bytes that a column chunk takes in memory at most."""
        kind = column.physical_type
        width = _WIDTHS.get(kind, 8 + column.length)
        if kind == "FIXED_LEN_BYTE_ARRAY" and not 0 < column.length <= 64:
            raise ValueError(f"holds values of {column.length} bytes each")
        width += 2 * bool(column.max_definition_level) + 10 * bool(column.max_repetition_level)
        is_text = kind == "BYTE_ARRAY"
        expanded = is_text and column.path not in self._dictionaries
        cost, longest = len(data), 0
        for page in pages(data, about.num_values):
            cost += page.raw * (3 if is_text else 1) + page.num_values * width
            if cost > self._max_group:
                break  # before anything is unpacked
            if page.is_dictionary and expanded:
                longest = longest_text(page.body(about.compression), page.num_entries)
            elif expanded and page.encoding in _DICTIONARY:
                cost += page.num_values * longest
            elif is_text and page.encoding == _DELTA_TEXTS:
                cost += page.num_values * _COUNTED
                if cost <= self._max_group:
                    levels = bool(column.max_repetition_level) + bool(column.max_definition_level)
                    cost += repeated_bytes(page.values(about.compression, levels), page.num_values)
        return cost


@contextmanager
def as_parquet_errors() -> Iterator[None]:
    """Turn what is raised of hostile bytes, here and inside Arrow, into a ParquetError; the store's errors stay."""
    import pyarrow as pa

    try:
        yield
    except (SourceError, ParquetError):
        raise
    except (ValueError, OSError, pa.ArrowException, MemoryError, OverflowError, IndexError, KeyError) as error:
        raise ParquetError(str(error) or type(error).__name__) from error


class _Kept(SeekableFile):
    """A file of which pieces are kept while they are in use."""

    def __init__(self, file: SeekableFile) -> None:
        super().__init__(file.seek(0, 2), file.name)
        self.num_bytes = file.tell()
        self._file = file
        self._pieces: list[tuple[int, bytes]] = []

    def keeping(self, chunks: list[tuple[int, Chunk]]) -> _Pieces:
        return _Pieces(self, self._pieces, chunks)

    def _get(self, offset: int, length: int) -> bytes:
        for start, data in self._pieces:
            if start <= offset and offset + length <= start + len(data):
                return data[offset - start : offset - start + length]
        self._file.seek(offset)
        return self._file.read(length)


class _Pieces:
    """Context manager: reads column chunks, near ones at once, and keeps them for the file until its end."""

    def __init__(self, file: _Kept, kept: list[tuple[int, bytes]], chunks: list[tuple[int, Chunk]]) -> None:
        self._file, self._kept, self._chunks = file, kept, chunks
        self._own: list[tuple[int, bytes]] = []

    def __enter__(self) -> list[tuple[int, Chunk, memoryview]]:
        spans: list[list[int]] = []
        for start, stop in sorted((chunk.start, chunk.stop) for _, chunk in self._chunks):
            if spans and start <= spans[-1][1] + _NEAR:
                spans[-1][1] = max(spans[-1][1], stop)
            else:
                spans.append([start, stop])
        if sum(stop - start for start, stop in spans) > MAX_GROUP:
            raise ValueError(f"has more than {MAX_GROUP >> 20} MiB")
        for start, stop in spans:
            self._file.seek(start)
            self._own.append((start, self._file.read(stop - start)))
        self._kept += self._own
        return [(number, chunk, self._piece(chunk)) for number, chunk in self._chunks]

    def __exit__(self, *_: object) -> None:
        for piece in self._own:
            self._kept.remove(piece)

    def _piece(self, chunk: Chunk) -> memoryview:
        first, data = next((at, data) for at, data in self._own if at <= chunk.start and chunk.stop <= at + len(data))
        return memoryview(data)[chunk.start - first : chunk.stop - first]


def check_footer(file: _Kept) -> bytes:
    """The footer's bytes."""
    if file.num_bytes < 12:
        raise ValueError(f"has {file.num_bytes} bytes, which is no parquet file")
    file.seek(-8, 2)
    end = file.read()
    length = int.from_bytes(end[:4], "little")
    if end[4:] != b"PAR1":
        raise ValueError("does not end as a parquet file does")
    if length + 12 > file.num_bytes:
        raise ValueError(f"has a footer of {length} bytes and {file.num_bytes} in all")
    if length > MAX_FOOTER // 8:
        raise ValueError(f"has a footer of {length} bytes")
    file.seek(-8 - length, 2)
    footer = file.read(length)
    if length > _SMALL_FOOTER:
        Thrift(footer, budget=MAX_FOOTER // BYTES_PER_FIELD, keep=False).struct()
    return footer


def read_groups(footer: bytes, num_columns: int, num_bytes: int, written_by: str) -> list[list[Chunk]]:
    """The column chunks of every row group."""
    read = Thrift(footer, budget=MAX_FOOTER // BYTES_PER_FIELD)
    more = _OLD_HEADER if written_by.startswith("parquet-mr") else 0
    groups = []
    for group in read.struct().get(4, []):
        columns = group.get(1, [])
        if len(columns) != num_columns:
            raise ValueError(f"has a row group of {len(columns)} columns, the schema has {num_columns}")
        groups.append([Chunk.of(column.get(3, {}), num_bytes, more) for column in columns])
    return groups


class Chunk(NamedTuple):
    """Where a column chunk lies, and what the footer says of it."""

    start: int
    stop: int
    num_values: int
    compression: str

    @classmethod
    def of(cls, about: dict[int, Any], num_bytes: int, more: int) -> Chunk:
        """about: ColumnMetaData."""
        try:
            values, packed, start = int(about[5]), int(about[7]), int(about[9])
            dictionary, codec = int(about.get(11, 0)), int(about[4])
        except (KeyError, TypeError) as error:
            raise ValueError("has a column chunk without its place") from error
        if 0 < dictionary < start:
            start = dictionary
        if not 0 <= codec < len(CODECS):
            raise ValueError(f"is packed by the unknown codec {codec}")
        if start < 0 or packed < 0 or start + packed > num_bytes or values < 0:
            raise ValueError("has a column chunk outside the file")
        return cls(start, min(start + packed + more, num_bytes), values, CODECS[codec])


class _Page:
    """The header of a page, and where its body is."""

    def __init__(self, header: dict[int, Any], data: memoryview, at: int) -> None:
        try:
            self.raw, self.packed = int(header[2]), int(header[3])
            kind = header[1]
            self.is_dictionary = kind == 2
            about = header.get({0: 5, 2: 7, 3: 8}.get(kind, -1), {})
            self.num_entries = int(about[1]) if self.is_dictionary else 0
            self.num_values = int(about[1]) if kind in (0, 3) else 0
            self.encoding = int(about[4 if kind == 3 else 2]) if kind in (0, 3) else -1
            self._levels = int(about[5]) + int(about[6]) if kind == 3 else None
            self._is_packed = bool(about.get(7, True)) if kind == 3 else True
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("has a page whose header lacks its sizes") from error
        if not 0 <= self.raw <= _MAX_PAGE or not 0 <= self.packed <= len(data) - at or self.num_values < 0:
            raise ValueError(f"has a page of {self.raw} bytes ({self.packed} packed) and {self.num_values} values")
        self._data, self._at = data, at
        self.end = at + self.packed

    def body(self, compression: str) -> memoryview:
        """The body of a page of version 1 or a dictionary, unpacked."""
        return _unpacked(self._data[self._at : self.end], compression, self.raw)

    def values(self, compression: str, num_levels: int) -> memoryview:
        """What is behind the levels of a data page, unpacked."""
        if self._levels is not None:
            if not 0 <= self._levels <= min(self.packed, self.raw):
                raise ValueError("has a page whose levels are longer than it is")
            packed = self._data[self._at + self._levels : self.end]
            return _unpacked(packed, compression if self._is_packed else CODECS[0], self.raw - self._levels)
        body = self.body(compression)
        for _ in range(num_levels):
            body = body[4 + int.from_bytes(body[:4], "little") :]
        return body


def pages(data: memoryview, num_values: int) -> Iterator[_Page]:
    """The pages that are read for so many values."""
    at = seen = 0
    for _ in range(_MAX_PAGES):
        if seen >= num_values or at >= len(data):
            return
        header = Thrift(data[: at + _MAX_HEADER], at)
        page = _Page(header.struct(), data, header.at)
        yield page
        seen, at = seen + page.num_values, page.end
    raise ValueError(f"has more than {_MAX_PAGES} pages")


def _unpacked(data: memoryview, compression: str, size: int) -> memoryview:
    import pyarrow as pa

    if compression == CODECS[0] or not size:
        return data[:size]
    try:
        codec = pa.Codec(compression)
        return memoryview(codec.decompress(data, size)).cast("B")
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"has a page that cannot be unpacked ({error})") from error


def longest_text(body: memoryview, num_entries: int) -> int:
    """The longest text of a dictionary."""
    at = longest = 0
    for _ in range(num_entries):
        if at + 4 > len(body):
            break
        length = int.from_bytes(body[at : at + 4], "little")
        longest, at = max(longest, length), at + 4 + length
    return min(longest, len(body))


def repeated_bytes(body: memoryview, num_values: int) -> int:
    """Bytes that texts take over from those before them: the sum of the lengths with which such a page begins."""
    head = Thrift(body)
    block, parts, count, first = head.varint(), head.varint(), head.varint(), head.integer()
    if not 0 < parts <= block <= 1 << 16 or block % parts or block // parts % 8 or count > num_values:
        raise ValueError("has lengths of texts that make no sense")
    each = block // parts
    places: dict[int, list[tuple[int, int]]] = {}
    lowest = np.zeros(-(-max(0, count - 1) // each), np.int64)
    number = 0
    while number < len(lowest):
        least = head.integer()
        widths = bytes(body[head.at : head.at + parts])
        head.at += parts
        for width in widths:
            if number == len(lowest):
                break
            if width > 32 or head.at + each * width // 8 > len(body):
                raise ValueError("has lengths of texts that make no sense")
            lowest[number] = least
            places.setdefault(width, []).append((number, head.at))
            head.at, number = head.at + each * width // 8, number + 1
    steps = np.repeat(lowest.astype(np.uint64), each).reshape(len(lowest), each)
    for width, found in places.items():
        if width:
            powers = np.uint64(1) << np.arange(width, dtype=np.uint64)
            for some in (found[at : at + _PARTS] for at in range(0, len(found), _PARTS)):
                packed = np.stack([np.frombuffer(body, np.uint8, each * width // 8, at) for _, at in some])
                bits = np.unpackbits(packed, axis=1, bitorder="little").reshape(len(some), each, width)
                steps[[number for number, _ in some]] += bits @ powers
    lengths = np.cumsum(np.concatenate([[np.uint64(first & (1 << 64) - 1)], steps.reshape(-1)[: max(0, count - 1)]]))
    shown = lengths.astype(np.uint32).view(np.int32)  # as the reader counts, around the end of 32 bits
    if count and shown.min() < 0:
        raise ValueError("has lengths of texts that make no sense")
    return int(shown.sum(dtype=np.int64)) if count else 0
