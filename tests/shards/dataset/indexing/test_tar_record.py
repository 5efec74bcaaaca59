"""A record that is not whole is made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.dataset.indexing.indexer import index_tars
from shards.dataset.indexing.tar_jobs import DamagedShard
from tests.shards.dataset.indexing.test_indexer import damage


def test_a_part_that_is_not_whole_is_made_again(tars: Path) -> None:
    damage(tars)
    with pytest.raises(DamagedShard, match="strict"):
        index_tars(str(tars), strict=True)
    [part] = (tars / "unfinished").glob("*.arrow")
    part.write_bytes(part.read_bytes()[:100])
    assert index_tars(str(tars)).num_scanned == 1
