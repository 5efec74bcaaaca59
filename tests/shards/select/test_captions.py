"""Texts of a side table take the place of a sample's records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import SideTableError
from shards.select.captions import Captions
from shards.select.side_file import SideFile
from shards.select.side_join import join
from shards.select.text_blocks import TextCache
from tests.shards.small_side import open_index, samples_of, write_side, write_toy

VALUES = [["a", "b"], None, [], [" ", "c"], ["d", None], ["e"]]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of five samples and of one, with 2, 1, 3, 2, 1, 3 records."""
    return write_toy(tmp_path_factory.mktemp("toy"), 6)


def captions(
    toy: Path, file: Path, column: str | None = None, missing: Any = "keep", cache: Any = None, **columns: Any
) -> Captions:
    table, index = SideFile(str(write_side(file, samples_of(toy), **columns))), open_index(toy)
    return Captions(table, column, join(table, index), index, missing, cache or TextCache())


def test_blank_texts_are_none_and_a_sample_without_keeps_its_own_or_none(toy: Path, tmp_path: Path) -> None:
    kept = captions(toy, tmp_path / "a.parquet", t=VALUES)
    assert kept.num_records(0, 2).tolist() == [2, 1, 3, 1, 1, 1] and kept.counts.tolist() == [8, 1]
    assert kept.has_text(0, 1).tolist() == [True, False, False, True, True] and not kept.drops
    kept.prefetch([0, 1], [4, 0])
    assert kept.of(0, 3) == [{"caption": "c"}] and kept.of(0, 1) is None and kept.of(1, 0) == [{"caption": "e"}]
    assert kept.of(0, 0) == [{"caption": "a"}, {"caption": "b"}]
    dropped = captions(toy, tmp_path / "b.parquet", missing="drop", t=VALUES)
    assert dropped.num_records(0, 2).tolist() == [2, 0, 0, 1, 1, 1] and dropped.counts.tolist() == [4, 1]
    assert dropped.digests == kept.digests


def test_the_column_is_named_or_the_only_one_or_has_the_usual_name(toy: Path, tmp_path: Path) -> None:
    texts, file = ["x"] * 6, tmp_path / "a.parquet"
    assert captions(toy, file, t=texts, n=[1] * 6).of(0, 0) == [{"caption": "x"}]
    assert captions(toy, file, caption=texts, model=["blip"] * 6).of(0, 0) == [{"caption": "x"}]
    assert captions(toy, file, "model", caption=texts, model=["blip"] * 6).of(0, 0) == [{"caption": "blip"}]
    for columns, column, message in (
        (
            {"a": texts, "b": texts},
            None,
            r"has 2 columns of texts; its columns are a \(texts\), b \(texts\); name one with",
        ),
        (
            {"a": [1] * 6},
            None,
            r"has no column of texts; its columns are a \(numbers\); name one with texts: FILE:COLUMN",
        ),
        ({"a": [1] * 6}, "a", "column 'a' holds numbers; texts takes texts or lists of texts: write it so"),
        ({"a": texts}, "b", r"has no column 'b' for texts; it has a \(texts\)"),
    ):
        with pytest.raises(SideTableError, match=message):
            captions(toy, file, column, **columns)


def test_a_table_that_will_be_slow_is_told(toy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts, file, small = ["long text"] * 6, tmp_path / "a.parquet", TextCache(16)
    captions(toy, file, cache=small, t=texts)
    assert not caplog.text
    index = open_index(toy)
    table = SideFile(str(write_side(file, samples_of(toy)[::-1], t=texts)))
    Captions(table, None, join(table, index), index, "keep", TextCache())
    assert not caplog.text
    Captions(table, None, join(table, index), index, "keep", small)
    assert "its rows are not in the order of the index" in caplog.text and "docs/side_tables.md" in caplog.text
