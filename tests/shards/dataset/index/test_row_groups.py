"""Row groups are read when a shard of theirs is asked for, and only the columns that are."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from shards.dataset.index.index import Index
from shards.dataset.index.write_index import rows_table, write_index
from shards.media.facts import KeyFrames
from shards.storage.open import open_source
from tests.shards.small_index import WatchedSource, sample, save


def test_row_groups_end_on_shard_boundaries_and_are_read_when_asked_for(tmp_path: Path) -> None:
    save(tmp_path, [[sample(40 * s + i) for i in range(40)] for s in range(10)], group_rows=100)
    metadata = pq.ParquetFile(tmp_path / "index.parquet").metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [80] * 5
    source = WatchedSource(tmp_path)
    opened = Index.open(source)
    for shard, groups in ((5, {2}), (4, set()), (5, set()), (9, {4}), (5, set()), (4, set())):
        source.reads.clear()
        assert opened.rows(shard).keys[0] == f"{40 * shard:09d}"
        assert source.groups() == groups


def test_gop_tables_are_read_only_when_asked_for(tmp_path: Path) -> None:
    tables = [KeyFrames([0, 12], [0.25, 0.75], [48, 4096]), KeyFrames([], [], []), KeyFrames([0], [0.0], [-1])]
    rows = [sample(i)._replace(key_frames=table) for i, table in enumerate(tables)]
    source = save(tmp_path, [rows[:2], rows[2:]])
    assert Index.open(source).gop_table(0, 0) is None
    parts = [rows_table(shard, part, True) for shard, part in enumerate((rows[:2], rows[2:]))]
    write_index(str(tmp_path / "index.parquet"), parts, key_frames=True)
    opened = Index.open(open_source(tmp_path))
    assert [opened.gop_table(1, 0), opened.gop_table(0, 1), opened.gop_table(0, 0)] == tables[::-1]
    assert opened.table(1).column("key_frame").to_pylist() == [[0]]
    watched = WatchedSource(tmp_path)
    opened = Index.open(watched)
    gops = {"key_frame", "key_frame_time", "key_frame_offset"}
    for ask, wanted in ((opened.rows, False), (lambda shard: opened.gop_table(shard, 0), True)):
        watched.reads.clear()
        ask(1)
        columns = {column for _, column in watched.chunks()}
        assert gops <= columns if wanted else columns and not gops & columns
