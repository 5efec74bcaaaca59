"""Fetch: a batch is asked for at once, what is known to be bad is left out, and a dataset that fails is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base.errors import DatasetError
from tests.shards.one_window import opened
from tests.shards.small_dataset import write_dataset


def test_the_elements_of_a_batch_are_read_at_once(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "web", "web", 12, records_of=(1,))
    with opened(folder, batch_size=6) as loader:
        for _ in range(4):
            next(loader)
        read = loader.stats.snapshot().times["read"]
    assert (read.count, read.items) == (4, 24)


def test_an_element_that_is_known_to_be_bad_is_not_read_again(tmp_path: Path) -> None:
    """Its checksum does not fit; what an earlier pass read is remembered."""
    folder = write_dataset(tmp_path / "web", "web", 8, records_of=(1,), per_shard=8)
    tar = folder / "000000.tar"
    data = bytearray(tar.read_bytes())
    data[data.index(b"\x89PNG") + 20] ^= 1
    tar.write_bytes(data)
    with opened(folder, batch_size=8, mode="eval") as loader:
        reads = []
        for _ in range(3):
            before = loader.stats.snapshot()
            (batch,) = loader
            reads.append((loader.stats.snapshot() - before).times["read"].items)
            assert batch.valid.tolist() == [False, *[True] * 7]
            assert batch.failures[0].stage == "read" and batch.failures[0].lasting
    assert reads == [8, 7, 7]


def test_a_dataset_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "web", "web", 8, records_of=(1,), per_shard=8)
    with opened(folder, batch_size=8, mode="eval") as loader:
        (folder / "000000.tar").write_bytes(b"")
        with pytest.raises(DatasetError, match=r"000000\.tar") as raised:
            next(loader)
    assert raised.value.__notes__ == ["while the loader was at read of 8 elements of web"]
