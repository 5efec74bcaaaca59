"""TFRecords: checksums of a published value, places, and any damage."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.containers.given import write_tfrecords
from tools.containers.files import Damaged
from tools.containers.tfrecords.records import FRAME_BYTES, masked_crc, read_records


def test_the_checksum_is_crc32c_turned_and_moved() -> None:
    # crc32c of 32 zero bytes is 0x8a9136aa (RFC 3720, B.4)
    crc = 0x8A9136AA
    assert masked_crc(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_records_say_where_they_begin(tmp_path: Path) -> None:
    offsets = write_tfrecords(tmp_path / "a", [b"", b"one", b"two" * 1000])
    records = list(read_records(tmp_path / "a"))
    assert [record.offset for record in records] == offsets
    assert [record.data for record in records] == [b"", b"one", b"two" * 1000]
    assert offsets[1] == FRAME_BYTES


def test_an_empty_file_holds_no_records(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert list(read_records(tmp_path / "a")) == []


@given(st.integers(0, 90), st.integers(1, 255))
def test_one_changed_byte_never_gives_other_data(tmp_path_factory: pytest.TempPathFactory, at: int, by: int) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.tfrecord"
    write_tfrecords(path, [b"first record", b"second record", b"third record"])
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= by
    path.write_bytes(bytes(content))
    found = []
    try:
        for record in read_records(path):
            found.append(record.data)
    except Damaged as flaw:
        assert "byte " in str(flaw)
    data = [one for one in found if isinstance(one, bytes)]
    assert set(data) <= {b"first record", b"second record", b"third record"} and len(data) < 3
