"""A shard that is being written, and the rows that it has so far.

Its bytes are those of tarfile in PAX format with fixed metadata, which is what webdataset.TarWriter writes; headers are
made here because TarWriter loads torch (2 s, 500 MB) and copies every medium several times.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from shards.dataset.index.rows import MemberRow, SampleRow, member_checksum
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.tars.entries import BLOCK, padded
from shards.dataset.writing.write_error import naming

_SIZE, _CHECKSUM = 124, 148
"""Bytes of a header at which the size (12 bytes) and the checksum (8 bytes) of a member begin."""


class NewMember(NamedTuple):
    """A member to write."""

    name: str
    ext: str
    """Its extension as the index has it."""
    data: bytes | memoryview

    @property
    def num_bytes(self) -> int:
        """Bytes that it takes in a tar, with its header; a name that is too long has headers of its own."""
        own = 2 * BLOCK if len(self.name.encode()) > tarfile.LENGTH_NAME else 0
        return own + BLOCK + padded(len(self.data))


class OpenShard:
    """A shard that is being written aside."""

    def __init__(self, path: str) -> None:
        self.path = path
        with naming(path):
            self._file = _HashingFile(path)
        self.rows: list[SampleRow] = []
        self.num_bytes = 2 * BLOCK

    def add(self, members: Sequence[NewMember], row: SampleRow, size: int) -> None:
        """Write the members of a sample in their order. size: their bytes in the tar."""
        rows = []
        with naming(self.path):
            for name, ext, data in members:
                self._file.write(_header(name, len(data)))
                rows.append(MemberRow(ext, self._file.num_bytes, len(data), member_checksum(data)))
                self._file.write(data)
                self._file.write(bytes(padded(len(data)) - len(data)))
        self.rows.append(row._replace(members=tuple(rows)))
        self.num_bytes += size

    def finish(self, name: str) -> tuple[list[SampleRow], ShardEntry]:
        """Close and sync the tar; returns rows and entry of the shard."""
        with naming(self.path):
            end = self._file.num_bytes + 2 * BLOCK
            self._file.write(bytes(2 * BLOCK + -end % tarfile.RECORDSIZE))
            self._file.sync_and_close()
        num_elements = sum(row.num_records for row in self.rows)
        checksum = self._file.digest.hexdigest()
        return self.rows, ShardEntry(name, len(self.rows), num_elements, self._file.num_bytes, checksum)

    def discard(self) -> None:
        """Close and remove the file."""
        self._file.drop()
        with suppress(FileNotFoundError):
            os.unlink(self.path)


def _header(name: str, size: int) -> bytes:
    """The header of a member: owner 0 without name, time 0, mode 0444."""
    if not name.isascii() or len(name) > tarfile.LENGTH_NAME:
        return _tar_info(name, size).tobuf(tarfile.PAX_FORMAT)
    header = bytearray(_empty_header())
    header[: len(name)] = name.encode()
    header[_SIZE : _SIZE + 12] = b"%011o\0" % size
    header[_CHECKSUM : _CHECKSUM + 8] = b"%06o\0 " % (sum(header) + 8 * ord(" "))
    return bytes(header)


@lru_cache(maxsize=1)
def _empty_header() -> bytes:
    header = bytearray(_tar_info("", 0).tobuf(tarfile.PAX_FORMAT))
    header[_CHECKSUM : _CHECKSUM + 8] = bytes(8)
    return bytes(header)


def _tar_info(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o444
    return member


class _HashingFile:
    """A file that hashes its bytes while they are written."""

    def __init__(self, path: str) -> None:
        import xxhash

        self._file: BinaryIO = open(path, "wb", buffering=1 << 20)  # noqa: SIM115 - closed by drop or sync_and_close
        self.digest = xxhash.xxh3_128()
        self.num_bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        self.digest.update(data)
        self.num_bytes += len(data)
        self._file.write(data)

    def sync_and_close(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def drop(self) -> None:
        with suppress(OSError):  # on a full disk closing flushes and fails again
            self._file.close()
