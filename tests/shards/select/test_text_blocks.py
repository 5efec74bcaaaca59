"""Texts of a side table are read from disk in blocks, of which few are kept."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import SideTableError
from shards.select.side_file import SideFile
from shards.select.text_blocks import TextBlocks, TextCache
from tests.shards.small_side import write_side

ROWS = 20_000
SAMPLES = [("0.tar", str(i)) for i in range(ROWS)]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> SideFile:
    """Row i says i, in row groups of 9,000 rows."""
    file = tmp_path_factory.mktemp("blocks") / "a.parquet"
    return SideFile(str(write_side(file, SAMPLES, None, 9000, text=[f"text {i:06d}" for i in range(ROWS)])))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=3), st.just("ü€𝄞")), min_size=1, max_size=20), st.integers(1, 9))
def test_values_are_those_of_the_table(
    tmp_path_factory: pytest.TempPathFactory, values: list[str | None], group: int
) -> None:
    lists = [None if value is None else [value, None, "b"][: len(value)] for value in values]
    columns: dict[str, Any] = {
        "text": pa.array(values, pa.string()),
        "large": pa.array(values, pa.large_string()),
        "names": pa.array(values, pa.string()).dictionary_encode(),
        "lists": pa.array(lists, pa.list_(pa.string())),
    }
    folder = tmp_path_factory.mktemp("values")
    file = SideFile(str(write_side(folder / "a.parquet", SAMPLES[: len(values)], None, group, **columns)))
    for column in columns:
        blocks = TextBlocks(file, column, TextCache())
        expected = values if column != "lists" else [some and [one or "" for one in some] for some in lists]
        assert [blocks.value(row) for row in range(len(values))] == expected
        assert [value for _, some in blocks.all() for value in some] == expected


def test_what_is_kept_stays_below_the_limit_and_a_group_is_read_once_where_there_is_room(table: SideFile) -> None:
    cache = TextCache()
    blocks = TextBlocks(table, "text", cache)
    blocks.prefetch(np.array([5, -1, 19_999, 8_999, 9_000]))
    assert blocks.num_read == 3 and cache.held < ROWS * 20
    assert [blocks.value(row) for row in (0, 12_345, 19_999)] == ["text 000000", "text 012345", "text 019999"]
    assert blocks.num_read == 3
    cache = TextCache(150_000)  # a block has 64 KB
    few = TextBlocks(table, "text", cache)
    rng = np.random.default_rng(0)
    for row in rng.integers(0, ROWS, 80).tolist():
        few.prefetch(np.array([row]))
        assert few.value(row) == f"text {row:06d}" and cache.held <= 150_000
    before = few.num_read
    for row in (100, 4_000, 100, 9_001, 100, 4_000):  # two blocks fit
        few.prefetch(np.array([row]))
    assert few.num_read - before <= 2
    one = TextBlocks(table, "text", TextCache(1))
    assert one.value(7) == "text 000007" and one.value(15_000) == "text 015000"


def test_threads_read_what_others_drop(table: SideFile) -> None:
    cache = TextCache(150_000)
    blocks, other = (TextBlocks(table, "text", cache) for _ in range(2))
    wrong: list[int] = []

    def read(seed: int) -> None:
        for row in np.random.default_rng(seed).integers(0, ROWS, 25).tolist():
            if (blocks if seed % 2 else other).value(row) != f"text {row:06d}":
                wrong.append(row)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and cache.held <= 150_000


def test_a_text_without_end_is_refused(tmp_path: Path) -> None:
    file = SideFile(str(write_side(tmp_path / "a.parquet", SAMPLES[:2], text=["a", "b" * ((1 << 24) + 1)])))
    with pytest.raises(
        SideTableError, match="column 'text' holds a text of 16777217 bytes, the limit is 16777216; shorten"
    ):
        list(TextBlocks(file, "text", TextCache()).all())
