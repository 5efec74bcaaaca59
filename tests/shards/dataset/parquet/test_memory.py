"""A parquet file costs a bounded amount of memory, whatever a few bytes of it stand for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.dataset.parquet.memory import give_memory_back
from shards.dataset.parquet.parquet_file import ParquetError
from shards.dataset.parquet.thrift import Thrift
from tests.shards.parquet_bytes import opened, written
from tests.shards.test_safety import little_memory


def text_in_a_dictionary() -> bytes:
    return written(pa.table({"key": pa.DictionaryArray.from_arrays(np.zeros(60_000, np.int32), ["x" * 70_000])}))


def texts_that_repeat_the_one_before() -> bytes:
    texts = pa.table({"key": ["x" * 60_000] * 60_000})
    return written(texts, use_dictionary=False, column_encoding={"key": "DELTA_BYTE_ARRAY"}, compression="zstd")


def page_of_zeros() -> bytes:
    return written(pa.table({"key": [b"\0" * (1 << 29)]}), use_dictionary=False, compression="zstd")


def endless_list() -> bytes:
    values = pa.array(np.zeros(1 << 26, np.int8))
    return written(pa.table({"list": pa.ListArray.from_arrays(pa.array([0, 1 << 26], pa.int32()), values)}))


def rows_without_end() -> bytes:
    zeros = np.zeros(1 << 26, np.int8)
    return written(pa.table({"a": zeros, "b": zeros}), row_group_size=1 << 26)


def wide_values() -> bytes:
    column = pa.DictionaryArray.from_arrays(np.zeros(100_000, np.int32), pa.array([b"x" * 9000], pa.binary(9000)))
    return written(pa.table({"key": column.dictionary_decode()}))


BOMBS = [
    text_in_a_dictionary,
    texts_that_repeat_the_one_before,
    page_of_zeros,
    endless_list,
    rows_without_end,
    wide_values,
]


@pytest.mark.long
@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: str(bomb.__name__))
def test_bombs_are_refused_before_they_are_expanded(bomb: Callable[[], bytes]) -> None:
    data = bomb()
    assert len(data) < 1 << 20
    with little_memory(), pytest.raises(ParquetError, match=r"stands for more than 512 MiB|has a page of|bytes each"):
        opened(data).read_row_group(0)


def test_a_long_text_in_a_dictionary_is_refused_before_it_is_expanded() -> None:
    column = pa.DictionaryArray.from_arrays(np.zeros(60_000, np.int32), ["x" * 70_000])
    data = written(pa.table({"key": column}))
    with little_memory(), pytest.raises(ParquetError, match="stands for more than 512 MiB, up to key"):
        opened(data).read_row_group(0)


def shared(before: str, text: str) -> int:
    """How many characters two texts begin with alike."""
    return next(
        (at for at, (a, b) in enumerate(zip(before, text, strict=False)) if a != b), min(len(before), len(text))
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.sampled_from("abc"), max_size=12), min_size=1, max_size=400), st.booleans(), st.booleans())
def test_repeated_bytes_of_texts_are_counted_as_they_are(texts: list[str], in_order: bool, second: bool) -> None:
    texts = sorted(texts) if in_order else texts
    version = "2.0" if second else "1.0"
    data = written(
        pa.table({"key": texts}),
        use_dictionary=False,
        column_encoding={"key": "DELTA_BYTE_ARRAY"},
        data_page_version=version,
    )
    about = opened(data).metadata.row_group(0).column(0)
    body = memoryview(data)[about.data_page_offset :][: about.total_compressed_size]
    at = unpacked = 0
    while at < len(body):
        header = Thrift(body, at)
        fields = header.struct()
        unpacked, at = unpacked + fields[2], header.at + fields[3]
    repeated = sum(map(shared, ["", *texts], texts))
    # the bytes as they lie, three times the pages, ten bytes and a length for each text, and what texts repeat
    cost = len(body) + 3 * unpacked + (10 + 32) * len(texts) + repeated
    assert opened(data, max_group=cost).read_row_group(0).column("key").to_pylist() == texts
    with pytest.raises(ParquetError, match="stands for more than"):
        opened(data, max_group=cost - 1).read_row_group(0)


def test_memory_that_was_freed_goes_back_to_the_system() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) << 12

    several = [pa.array(["x" * 1000] * 1000).cast(pa.large_string()) for _ in range(100)]  # 100 MB, from Arrow's pool
    held = resident()
    del several
    give_memory_back()
    assert held - resident() > 80 << 20
