"""Texts that repeat those before them count with all their bytes."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.dataset.parquet.parquet_file import ParquetError
from shards.dataset.parquet.thrift import Thrift
from tests.shards.parquet_bytes import opened, written


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
