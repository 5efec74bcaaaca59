"""Pages are believed only as far as their headers make sense."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shards.dataset.parquet.parquet_file import ParquetError
from tests.shards.parquet_bytes import opened, written
from tests.shards.test_safety import little_memory


def test_a_page_that_claims_two_gigabytes_is_refused() -> None:
    data = bytearray(written(pa.table({"a": np.zeros(10)}), use_dictionary=False, compression="zstd"))
    claims = data.index(b"\x15", 4 + 2)  # page type, then the size when unpacked: 88 bytes, as zigzag of 7 bits a byte
    patched = data[: claims + 1] + b"\xfe\xff\xff\xff\x0f" + data[claims + 3 :]
    with (
        little_memory(),
        pytest.raises(ParquetError, match=r"has a page of 2147483647 bytes|thrift|lies outside|lacks"),
    ):
        opened(bytes(patched)).read_row_group(0)
