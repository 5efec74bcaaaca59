"""A footer is read within a bound of memory, and what is none is refused."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shards.dataset.parquet.parquet_file import ParquetError
from tests.shards.parquet_bytes import opened, written
from tests.shards.test_safety import little_memory


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
