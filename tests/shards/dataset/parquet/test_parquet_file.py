"""Parquet files are read as they are, and errors of the store stay what they are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shards.base.errors import SourceError
from shards.dataset.parquet.parquet_file import ParquetFile
from shards.storage.file import BytesFile
from tests.shards.parquet_bytes import opened, written


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "zstd", "snappy", "gzip", "brotli", "lz4"])
def test_what_is_harmless_is_read_as_it_is(compression: str, version: str) -> None:
    keys = [f"{number:09d}" for number in range(5000)]
    table = pa.table(
        {
            "key": keys,
            "kind": ["video"] * 5000,
            "list": [[number, None] for number in range(5000)],
            "number": pa.array(np.arange(5000) / 7),
        }
    )
    encodings = {"key": "DELTA_BYTE_ARRAY", "number": "BYTE_STREAM_SPLIT"}
    data = written(
        table,
        compression=compression,
        data_page_version=version,
        use_dictionary=["kind", "list.list.element"],
        column_encoding=encodings,
        row_group_size=2000,
        data_page_size=4000,
    )
    file = opened(data, ("kind", "nowhere"))
    assert file.metadata.num_row_groups == 3
    assert file.read().column("key").to_pylist() == keys
    assert pa.types.is_dictionary(file.schema_arrow.field("kind").type)
    assert file.read_row_group(1, ["list"]).column("list").to_pylist()[0] == [2000, None]
    assert opened(data).read().equals(table)


def test_errors_of_the_store_stay_what_they_are() -> None:
    class Broken(BytesFile):
        def _get(self, offset: int, length: int) -> bytes:
            raise SourceError("s3://b/x.parquet: gone")

    with pytest.raises(SourceError, match=r"s3://b/x.parquet: gone"):
        ParquetFile(Broken(bytes(100), "x"))


def test_tables_are_in_the_memory_of_malloc_and_arrow_keeps_its_own_pool_for_others() -> None:
    data = written(pa.table({"number": pa.array(np.arange(50_000))}))
    pool, before = pa.default_memory_pool().backend_name, pa.total_allocated_bytes()
    table = opened(data).read()
    assert table.nbytes >= 400_000 and pa.total_allocated_bytes() - before < 100_000
    assert pa.default_memory_pool().backend_name == pool
