"""Counts are kept whole or not at all, and only for the shards that they are of."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from shards.dataset.index.shard_table import ShardTable
from shards.select.count_cache import CountCache

COUNTS = np.array([[2, 0, 3], [4, 0, 9]])


def shards(num_samples: list[int]) -> ShardTable:
    zeros = np.zeros(len(num_samples), np.int64)
    return ShardTable([f"{i}.tar" for i in zeros], np.array(num_samples), zeros, zeros, [""] * len(zeros), zeros)


def test_counts_come_back_for_the_same_address_only(tmp_path: Path) -> None:
    cache = CountCache("a", tmp_path / "deep" / "folder")
    assert cache.read(shards([2, 1, 3])) is None
    cache.write(COUNTS)
    assert [path.suffix for path in cache.file.parent.iterdir()] == [".npy"]
    again = CountCache("a", tmp_path / "deep" / "folder").read(shards([2, 1, 3]))
    assert again is not None and again.tolist() == COUNTS.tolist()
    assert CountCache("b", tmp_path / "deep" / "folder").read(shards([2, 1, 3])) is None


@pytest.mark.parametrize("num_samples", [[2, 1], [1, 1, 3]])
def test_counts_of_other_shards_are_not_used(
    num_samples: list[int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = CountCache("a", tmp_path)
    cache.write(COUNTS)
    with caplog.at_level(logging.WARNING):
        assert cache.read(shards(num_samples)) is None
    assert "does not fit the index: counting anew" in caplog.text
