"""A shard that is being written, and the rows that it has so far."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import BinaryIO

from shards.dataset.index.rows import MemberRow, SampleRow, member_checksum
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.tars import tar
from shards.dataset.tars.entries import BLOCK
from shards.dataset.writing.write_error import naming


class OpenShard:
    """A shard that is being written aside."""

    def __init__(self, path: str) -> None:
        # Imported late: webdataset loads torch, which takes seconds.
        from webdataset import TarWriter

        self.path = path
        with naming(path):
            self._file = _HashingFile(path)
        self._tar = TarWriter(self._file, encoder=False, mtime=0, user="", group="", compress=False)
        self.rows: list[SampleRow] = []
        self.num_bytes = 2 * BLOCK

    def add(self, key: str, members: Mapping[str, bytes], row: SampleRow, size: int) -> None:
        with naming(self.path):
            self._tar.write({"__key__": key, **members})
        # Offsets are filled in by finish(), from the tar itself.
        rows = tuple(MemberRow(ext, 0, len(members[ext]), member_checksum(members[ext])) for ext in sorted(members))
        self.rows.append(row._replace(members=rows))
        self.num_bytes += size

    def finish(self, name: str) -> tuple[list[SampleRow], ShardEntry]:
        """Close and sync the tar, and read the offsets of its members back; returns rows and entry of the shard."""
        with naming(self.path):
            self._tar.close()
            self._file.sync_and_close()
            found = iter(tar.scan(self.path))
        rows = []
        for row in self.rows:
            members = []
            for member in row.members:
                at = next(found)
                assert (at.name, at.size) == (f"{row.key}.{member.ext}", member.size), (at, row)
                members.append(member._replace(offset=at.offset))
            rows.append(row._replace(members=tuple(members)))
        assert next(found, None) is None, self.path
        num_elements = sum(row.num_records for row in rows)
        checksum = self._file.digest.hexdigest()
        return rows, ShardEntry(name, len(rows), num_elements, self._file.num_bytes, checksum)

    def discard(self) -> None:
        self._file.drop()
        self._tar.close()  # else its finaliser would write to a closed file
        with suppress(FileNotFoundError):
            os.unlink(self.path)


class _HashingFile:
    """A file for TarWriter that hashes its bytes while they are written."""

    def __init__(self, path: str) -> None:
        import xxhash

        self._file: BinaryIO = open(path, "wb", buffering=1 << 20)  # noqa: SIM115 - closed by drop or sync_and_close
        self.digest = xxhash.xxh3_128()
        self.num_bytes = 0
        self._dropped = False

    def write(self, data: bytes) -> int:
        if self._dropped:
            return len(data)
        self.digest.update(data)
        self.num_bytes += len(data)
        return self._file.write(data)

    def sync_and_close(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def drop(self) -> None:
        """Close, and ignore further writes: the file is thrown away."""
        self._dropped = True
        with suppress(OSError):  # on a full disk closing flushes and fails again
            self._file.close()
