"""The footer of a parquet file: which bytes hold each column of each row group.

It is read here and not by Arrow, which ends the process where a footer contradicts itself. Memory is bounded before
anything is expanded. What is wrong is a ValueError.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from shards.dataset.parquet.thrift import Thrift
from shards.storage.file import SeekableFile

MAX_FOOTER = 1 << 29
_SMALL_FOOTER = 3 << 19
"""A footer of up to this many bytes stays below MAX_FOOTER whatever it holds; that of 1,024 row groups is smaller."""
BYTES_PER_FIELD = 64
"""Bytes of memory allowed for each field and entry of a footer (measured: 45)."""
_OLD_HEADER = 100
"""Bytes that Arrow reads behind a column chunk of old writers, whose sizes leave out a header."""
CODECS = ("uncompressed", "snappy", "gzip", "lzo", "brotli", "lz4_raw", "zstd", "lz4_raw")


def read_footer(file: SeekableFile) -> bytes:
    """Fetch the footer of a file, and check that it takes no more memory than MAX_FOOTER."""
    num_bytes = file.seek(0, 2)
    if num_bytes < 12:
        raise ValueError(f"has {num_bytes} bytes, which is no parquet file")
    file.seek(-8, 2)
    end = file.read()
    length = int.from_bytes(end[:4], "little")
    if end[4:] != b"PAR1":
        raise ValueError("does not end as a parquet file does")
    if length + 12 > num_bytes:
        raise ValueError(f"has a footer of {length} bytes and {num_bytes} in all")
    if length > MAX_FOOTER // 8:
        raise ValueError(f"has a footer of {length} bytes")
    file.seek(-8 - length, 2)
    footer = file.read(length)
    if length > _SMALL_FOOTER:
        Thrift(footer, budget=MAX_FOOTER // BYTES_PER_FIELD, keep=False).struct()
    return footer


def read_row_groups(footer: bytes, num_columns: int, num_bytes: int, written_by: str) -> list[list[Chunk]]:
    """The column chunks of every row group. written_by: the program that the footer names."""
    read = Thrift(footer, budget=MAX_FOOTER // BYTES_PER_FIELD)
    extra = _OLD_HEADER if written_by.startswith("parquet-mr") else 0
    groups = []
    for group in read.struct().get(4, []):
        columns = group.get(1, [])
        if len(columns) != num_columns:
            raise ValueError(f"has a row group of {len(columns)} columns, the schema has {num_columns}")
        groups.append([Chunk.of(column.get(3, {}), num_bytes, extra) for column in columns])
    return groups


class Chunk(NamedTuple):
    """A column chunk: the bytes that hold one column of one row group, and what the footer says of them."""

    start: int
    stop: int
    num_values: int
    compression: str

    @classmethod
    def of(cls, about: dict[int, Any], num_bytes: int, extra: int) -> Chunk:
        """about: the struct ColumnMetaData of the parquet format. extra: bytes to read behind the chunk."""
        try:
            values, packed, start = int(about[5]), int(about[7]), int(about[9])
            dictionary, codec = int(about.get(11, 0)), int(about[4])
        except (KeyError, TypeError) as error:
            raise ValueError("has a column chunk without its byte range") from error
        if 0 < dictionary < start:
            start = dictionary
        if not 0 <= codec < len(CODECS):
            raise ValueError(f"is packed by the unknown codec {codec}")
        if start < 0 or packed < 0 or start + packed > num_bytes or values < 0:
            raise ValueError("has a column chunk outside the file")
        return cls(start, min(start + packed + extra, num_bytes), values, CODECS[codec])
