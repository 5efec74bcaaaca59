"""Parquet files in memory."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shards.dataset.parquet.kept_file import MAX_GROUP
from shards.dataset.parquet.parquet_file import ParquetFile
from shards.storage.file import BytesFile


def written(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def opened(data: bytes, dictionaries: tuple[str, ...] = (), max_group: int = MAX_GROUP) -> ParquetFile:
    return ParquetFile(BytesFile(data, "x.parquet"), dictionaries, max_group)
