"""Sources are opened together or refused by name, and give the rows that are taken of each shard."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base.errors import WhereError, WrongPlace
from tests.tools.reshard.copies import write_ours
from tools.reshard.source import open_sources


def test_a_shard_of_which_nothing_is_taken_gives_no_table(tmp_path: Path) -> None:
    ours = str(write_ours(tmp_path / "ours"))
    [source] = open_sources([ours], where="shard == '000001.tar' or kind == 'video'")
    found = {shard: table.column("key").to_pylist() for shard, table in source.tables()}
    assert found == {0: ["k00"], 1: ["k03", "k04", "k05"]}
    assert (source.num_samples, source.num_taken, source.num_quarantined) == (10, 4, 0)
    [all_] = open_sources([ours])
    assert {shard: table.num_rows for shard, table in all_.tables()} == {0: 3, 1: 3, 2: 3, 3: 1}


def test_prefixes_are_fit_for_keys(tmp_path: Path) -> None:
    ours = str(write_ours(tmp_path / "ours", "_a b/c.d", range(1)))
    for prefix_by, expected in ((None, ""), ("dataset", "a-b-c-d-"), ("shard", "000000-"), ("both", "a-b-c-d-000000-")):
        [source] = open_sources([ours], prefix_by=prefix_by)  # type: ignore[arg-type]
        assert source.prefix(0) == expected


def test_what_is_no_dataset_or_no_condition_is_refused(tmp_path: Path) -> None:
    ours = str(write_ours(tmp_path / "ours", keys=range(1)))
    with pytest.raises(WrongPlace, match=r"none/dataset\.json: not found"):
        open_sources([ours, str(tmp_path / "none")])
    with pytest.raises(WhereError):
        open_sources([ours], where="colour == 'red'")
