"""TFRecord files, without TensorFlow: records with their checksums verified.

A record is: uint64 length, masked crc32c of the length, the data, masked crc32c of the data, all little-endian
(tensorflow/core/lib/io/record_writer.cc). Promises: memory is one record; a record whose data have another checksum
costs itself, one whose length has costs the rest of the file, because nobody knows where the next begins.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from shards.dataset import MAX_MEDIA_BYTES
from shards.media import compression
from tools.containers.files import PIECE, Damaged

_HEAD, _CRC = struct.Struct("<QI"), struct.Struct("<I")
FRAME_BYTES = _HEAD.size + _CRC.size
"""Bytes of a record beyond its data."""
_MASK = 0xA282EAD8


class TfRecord(NamedTuple):
    """A record: the byte of the file at which it begins, that behind it, and its data or what is wrong with them."""

    offset: int
    end: int
    data: bytes | Damaged


def read_records(path: Path) -> Iterator[TfRecord]:
    """The records of a file, in order. Raises Damaged, with the byte, where nothing more can be read."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        at = 0
        while at < size:
            head = file.read(_HEAD.size)
            if at == 0 and (packed := compression(head)):
                raise Damaged(f"is {packed} file; unpack it first")
            if len(head) < _HEAD.size:
                raise _cut(at, size)
            length, crc = _HEAD.unpack(head)
            if masked_crc(head[:8]) != crc:
                raise Damaged(
                    f"byte {at:,}: the length of a record has another checksum, so the rest of the file cannot be "
                    "read; fetch it again, or accept the loss"
                )
            end = at + FRAME_BYTES + length
            if end > size:
                raise _cut(at, size)
            if length > MAX_MEDIA_BYTES:
                file.seek(length + _CRC.size, os.SEEK_CUR)
                yield TfRecord(
                    at, end, Damaged(f"has {length:,} bytes, allowed are {MAX_MEDIA_BYTES:,}; accept the loss")
                )
            else:
                data = file.read(length)
                (crc,) = _CRC.unpack(file.read(_CRC.size))
                flaw = Damaged("its data have another checksum; fetch the file again, or accept the loss")
                yield TfRecord(at, end, data if masked_crc(data) == crc else flaw)
            at = end


def masked_crc(data: bytes) -> int:
    """The checksum of TFRecords: crc32c, turned by 15 bits, plus a constant."""
    from crc32c import crc32c

    crc = 0
    view = memoryview(data)
    for start in range(0, len(view), PIECE):
        crc = crc32c(view[start : start + PIECE], crc)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def _cut(at: int, size: int) -> Damaged:
    return Damaged(
        f"byte {at:,}: a record runs past the end of the file ({size:,} bytes): it was cut off; fetch it again"
    )
