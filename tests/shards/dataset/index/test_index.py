"""The index keeps what it was given, reads lazily and keeps a bounded part of it."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.dataset.index.index import Index
from shards.dataset.index.rows import MemberRow, SampleRow
from shards.dataset.index.shard_rows import ShardRows
from shards.dataset.index.write_index import rows_table, write_index
from shards.media.facts import KeyFrames, MediaFacts
from tests.shards.small_index import WatchedSource, sample, save

numbers = st.integers(0, 2**31 - 1)
times = st.floats(0, 1e6, width=32)
facts_ = st.builds(
    MediaFacts,
    kind=st.sampled_from(["video", "image"]),
    codec=st.text(max_size=8),
    width=numbers,
    height=numbers,
    num_frames=numbers,
    fps=times,
    duration=times,
    start_time=times,
)
members_ = st.builds(
    MemberRow,
    st.sampled_from(["mp4", "json", "jpg"]),
    st.integers(0, 2**62),
    st.integers(0, 2**40),
    st.integers(0, 2**32 - 1),
)
rows_ = st.builds(
    SampleRow, st.text(min_size=1, max_size=20), st.lists(members_, max_size=4).map(tuple), st.integers(0, 9), facts_
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(rows_, min_size=1, max_size=5), min_size=1, max_size=6), st.integers(1, 8))
def test_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, shards: list[list[SampleRow]], group_rows: int
) -> None:
    opened = Index.open(save(tmp_path_factory.mktemp("index"), shards, group_rows))
    assert opened.shards.num_samples.tolist() == [len(rows) for rows in shards]
    for number in reversed(range(len(shards))):
        rows = opened.rows(number)
        assert len(rows) == len(shards[number])
        for i, row in enumerate(shards[number]):
            assert (rows.keys[i], rows.members(i), int(rows.num_records[i]), rows.facts(i)) == row[:4]
        pairs = [(i, record) for i, row in enumerate(shards[number]) for record in range(row.num_records)]
        assert [rows.element(e) for e in range(len(pairs))] == pairs


def test_the_cache_of_rows_is_bounded(tmp_path: Path) -> None:
    opened = Index.open(save(tmp_path, [[sample(40 * s + i) for i in range(40)] for s in range(10)]))
    opened.rows_kept = 100
    alive = weakref.WeakSet[ShardRows]()
    for shard in range(10):
        alive.add(opened.rows(shard))
        gc.collect()
        assert sum(map(len, alive)) == min(shard + 1, 2) * 40
    with pytest.raises(IndexError, match="shard 10 of 10"):
        opened.rows(10)


def test_gop_tables_of_the_last_used_shards_are_kept(tmp_path: Path) -> None:
    tables = [KeyFrames([0, 12], [0.25, 0.75], [48, 4096 + i]) for i in range(3)]
    parts = [[sample(i)._replace(key_frames=table)] for i, table in enumerate(tables)]
    save(tmp_path, parts)
    rows = [rows_table(i, part, True) for i, part in enumerate(parts)]
    write_index(str(tmp_path / "index.parquet"), rows, key_frames=True, max_group_rows=1)
    source = WatchedSource(tmp_path)
    opened = Index.open(source)
    opened.key_frames_kept = 4
    for shard, is_read in [(0, True), (1, True), (0, False), (2, True), (0, False), (1, True)]:
        source.reads.clear()
        assert opened.gop_table(shard, 0) == tables[shard]
        assert source.groups() == ({shard} if is_read else set())
