"""Column chunks that are in use are fetched once, near ones together."""

from __future__ import annotations

from typing import Any

import pytest

from shards.dataset.parquet.footer import Chunk
from shards.dataset.parquet.kept_file import MAX_GROUP, KeptFile
from shards.storage.file import BytesFile

DATA = bytes(range(256)) * 1024


class Watched(BytesFile):
    """Notes what is read of it."""

    def __init__(self) -> None:
        super().__init__(DATA, "x")
        self.reads: list[tuple[int, int]] = []

    def _get(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return super()._get(offset, length)


def chunk(start: int, stop: int) -> Chunk:
    return Chunk(start, stop, 1, "uncompressed")


def read(file: KeptFile, start: int, length: int) -> Any:
    file.seek(start)
    return file.read(length)


def test_near_chunks_are_fetched_in_one_read_and_kept_while_they_are_in_use() -> None:
    below = Watched()
    file = KeptFile(below)
    with file.keeping([chunk(200_000, 200_010), chunk(100, 150), chunk(160, 170)]) as data:
        assert [bytes(piece) for piece in data] == [DATA[200_000:200_010], DATA[100:150], DATA[160:170]]
        assert below.reads == [(100, 70), (200_000, 10)]
        assert read(file, 120, 20) == DATA[120:140] and len(below.reads) == 2
        assert read(file, 90, 20) == DATA[90:110] and below.reads[-1] == (90, 20)
    assert read(file, 120, 20) == DATA[120:140] and below.reads[-1] == (120, 20)


def test_more_than_a_row_group_may_have_is_not_fetched() -> None:
    below = Watched()
    with pytest.raises(ValueError, match="has more than 512 MiB"), KeptFile(below).keeping([chunk(0, MAX_GROUP + 1)]):
        pass
    assert not below.reads
