"""A parquet file costs a bounded amount of memory, whatever a few bytes of it stand for."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.dataset.parquet.parquet_file import MAX_GROUP, ParquetError, ParquetFile
from shards.dataset.parquet.thrift import Thrift
from shards.storage.file import BytesFile
from tests.shards.test_safety import little_memory


def written(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def opened(data: bytes, dictionaries: tuple[str, ...] = (), max_group: int = MAX_GROUP) -> ParquetFile:
    return ParquetFile(BytesFile(data, "x.parquet"), dictionaries, max_group)


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


def test_a_page_that_claims_two_gigabytes_is_refused() -> None:
    data = bytearray(written(pa.table({"a": np.zeros(10)}), use_dictionary=False, compression="zstd"))
    claims = data.index(b"\x15", 4 + 2)  # page type, then the size when unpacked: 88 bytes, as zigzag of 7 bits a byte
    patched = data[: claims + 1] + b"\xfe\xff\xff\xff\x0f" + data[claims + 3 :]
    with (
        little_memory(),
        pytest.raises(ParquetError, match=r"has a page of 2147483647 bytes|thrift|lies outside|lacks"),
    ):
        opened(bytes(patched)).read_row_group(0)


def test_a_footer_of_many_small_things_is_refused() -> None:
    data = written(pa.table({"a": np.arange(3000)}), row_group_size=1)
    assert opened(data).metadata.num_row_groups == 3000  # far below the bound
    # 9 million entries of a byte each, in three lists that no reader knows
    many = 3_000_000
    footer = (b"\xf9\xf3" + varint(many) + bytes(many)) * 3 + b"\0"
    data = b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    with little_memory(), pytest.raises(ParquetError, match="holds more entries than a file of this kind has"):
        opened(data)


def varint(number: int) -> bytes:
    """A number as thrift writes it: seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


@pytest.mark.parametrize("data", [b"", b"PAR1", b"<html>" * 100, b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1"])
def test_what_is_no_parquet_is_told(data: bytes) -> None:
    with pytest.raises(ParquetError, match=r"no parquet|does not end|footer|[Ff]ile size|smaller"):
        opened(data)


def test_errors_of_the_store_stay_what_they_are() -> None:
    from shards.base.errors import SourceError

    class Broken(BytesFile):
        def _get(self, offset: int, length: int) -> bytes:
            raise SourceError("s3://b/x.parquet: gone")

    with pytest.raises(SourceError, match=r"s3://b/x.parquet: gone"):
        ParquetFile(Broken(bytes(100), "x"))


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
