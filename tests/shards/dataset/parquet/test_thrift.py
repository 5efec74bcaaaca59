"""Thrift's compact encoding is read by its own rules, and within a budget."""

from __future__ import annotations

import pytest

from shards.dataset.parquet.thrift import Thrift


def test_fields_of_every_kind_are_read() -> None:
    data = bytes([0x15, 0x04, 0x18, 0x02, 0x61, 0x62, 0x11, 0x12, 0x19, 0x25, 0x02, 0x04, 0x1C, 0x15, 0x01, 0x00, 0x00])
    read = Thrift(data)
    assert read.struct() == {1: 2, 2: 2, 3: True, 4: False, 5: [1, 2], 6: {1: -1}}
    assert read.at == len(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x15", "is cut off"),
        (b"\x18\x7fab", "is cut off"),
        (b"\x1c" * 100, "is nested more than 16 deep"),
        (b"\x15" + b"\xff" * 20, "more than 64 bits"),
        (b"\x1e\x00", "unknown kind 14"),
        (b"\x19\xf5\xff\xff\xff\x7f", "more entries"),
        (b"\x1b\xff\xff\xff\x7f\x55", "more entries"),
    ],
)
def test_what_is_no_thrift_is_told(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Thrift(data).struct()


def test_a_budget_counts_without_keeping() -> None:
    data = b"\x19\xf5\x80\x08" + b"\x02" * 1024 + b"\x00"
    assert Thrift(data, budget=2000, keep=False).struct() == {}
    with pytest.raises(ValueError, match="more entries"):
        Thrift(data, budget=1000, keep=False).struct()
