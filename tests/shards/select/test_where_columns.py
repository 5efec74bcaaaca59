"""Columns of expressions are made of the columns that an index has."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shards.dataset.index.rows import MemberRow, SampleRow
from shards.dataset.index.write_index import rows_table
from shards.dataset.members.rules import MemberRules
from shards.media.facts import MediaFacts
from shards.select.where_columns import physical_columns, record_counts, where_column

ROWS = [
    SampleRow("a", (MemberRow("jpg", 0, 5, 1), MemberRow("mp4", 512, 7, 1)), 2, MediaFacts("video", "", 65536, 4, 1)),
    SampleRow("b", (MemberRow("txt", 0, 5, 1),), -1, MediaFacts("image", "png", 3, 4, 1)),
    SampleRow("c", (MemberRow("jpg", 0, 9, 1),), 1, MediaFacts("image", "jpeg", 3, 4, 1)),
]
SHARDS = [("0.tar", 2), ("1.tar", 0), ("2.tar", 1)]


def column(name: str, rules: MemberRules = MemberRules()) -> list[object]:  # noqa: B008
    return list(where_column(rows_table(0, ROWS), name, SHARDS, rules).tolist())


def test_every_sample_has_one_value() -> None:
    assert column("shard") == ["0.tar", "0.tar", "2.tar"]
    assert column("kind") == ["video", "image", "image"]
    assert column("media_bytes") == [7, 0, 9]
    assert column("media_bytes", MemberRules(media="any")) == [5, 0, 9]
    assert record_counts(rows_table(0, ROWS)).tolist() == [2, 0, 1]


def test_products_of_integers_do_not_overflow() -> None:
    width = where_column(rows_table(0, ROWS), "width", SHARDS, MemberRules())
    assert width.dtype == np.float64 and (width * width)[0] == 2**32


def test_only_the_columns_that_are_needed_are_read() -> None:
    assert physical_columns(["shard", "duration"]) == {"duration"}
    assert physical_columns(["media_bytes"]) == {"member_ext", "member_size"}


def test_lists_that_do_not_fit_each_other_are_damage() -> None:
    table = rows_table(0, ROWS)
    number = table.column_names.index("member_size")
    damaged = table.set_column(number, "member_size", pa.array([[1], [2], [3]]))
    with pytest.raises(ValueError, match="member columns of different lengths"):
        where_column(damaged, "media_bytes", SHARDS, MemberRules())
