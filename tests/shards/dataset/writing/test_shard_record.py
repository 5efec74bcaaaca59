"""The record of a finished shard carries its rows into the next attempt."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from shards.dataset.index.index import Index
from shards.dataset.index.rows import MemberRow, SampleRow
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.write_index import rows_table
from shards.dataset.writing.shard_record import ShardRecord, read_rows
from shards.storage.open import open_source
from tests.shards.dataset.writing.small_conversion import FACTS, contents, convert


def test_gop_tables_are_kept_and_come_through_a_resume(tmp_path: Path) -> None:
    def fail(row: int) -> None:
        if row == 40:
            raise KeyboardInterrupt

    convert(tmp_path / "whole", key_frames=True)
    with pytest.raises(KeyboardInterrupt):
        convert(tmp_path / "toy", fail, key_frames=True)
    convert(tmp_path / "toy", key_frames=True)
    assert contents(tmp_path / "toy") == contents(tmp_path / "whole")
    opened = Index.open(open_source(tmp_path / "toy"))
    assert opened.gop_table(1, 0) is not None
    for shard, count in enumerate(opened.shards.num_samples.tolist()):
        for row in range(count):
            number = int(opened.rows(shard).keys[row][1:])
            table = opened.gop_table(shard, row)
            assert table is not None and table.frames[1] >= number + 1 and table.offsets == [48, 300]


def test_a_record_comes_back_with_its_rows_also_one_without_a_version(tmp_path: Path) -> None:
    rows = rows_table(0, [SampleRow("a", (MemberRow("mp4", 512, 9, 7),), 1, FACTS)])
    record = ShardRecord(ShardEntry("000000.tar", 1, 1, 10_240, "0" * 32), 3, [{"row": 1}], "v1")
    record.write(str(tmp_path / ShardRecord.file_name(0)), rows)
    found = read_rows(open_source(tmp_path), 0)
    assert ShardRecord.of(found) == record and found.column("key").to_pylist() == ["a"]
    entry, rows_done, quarantined, _ = json.loads(found.schema.metadata[b"part"])
    older = found.replace_schema_metadata({"part": json.dumps([entry, rows_done, quarantined])})
    assert ShardRecord.of(older) == replace(record, version="")
