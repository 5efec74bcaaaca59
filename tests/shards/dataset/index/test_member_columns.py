"""Member columns become flat arrays, whichever way a parquet file holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shards.dataset.index.member_columns import MemberColumns
from shards.dataset.index.rows import MemberRow, SampleRow
from shards.dataset.index.write_index import rows_table
from shards.dataset.members.rules import MemberRules
from shards.media.facts import MediaFacts

FACTS = _ = MediaFacts("video", "h264", 4, 4, 1)
SAMPLES = [
    SampleRow("a", (MemberRow("json", 512, 20, 7), MemberRow("mp4", 1536, 99, 8)), 1, FACTS),
    SampleRow("b", (), 1, FACTS),
    SampleRow(
        "c", (MemberRow("jpg", 4096, 5, 9), MemberRow("mp4", 5120, 6, None), MemberRow("txt", 6144, 3, 1)), 1, FACTS
    ),
]


def changed(**columns: Any) -> pa.Table:
    table = rows_table(0, SAMPLES)
    for name, values in columns.items():
        number = table.column_names.index(name)
        table = table.set_column(number, name, values if isinstance(values, pa.Array) else pa.array(values))
    return table


@pytest.mark.parametrize("is_dictionary", [False, True])
@pytest.mark.parametrize("start", [0, 1])
def test_members_of_all_samples_follow_each_other(is_dictionary: bool, start: int) -> None:
    table = rows_table(0, SAMPLES)
    if is_dictionary:
        ext = table.column("member_ext").combine_chunks()
        table = changed(member_ext=pa.ListArray.from_arrays(ext.offsets, ext.values.dictionary_encode()))
    columns = MemberColumns(table.slice(start))
    members = [member for sample in SAMPLES[start:] for member in sample.members]
    counts = [len(sample.members) for sample in SAMPLES[start:]]
    assert columns.starts.tolist() == [0, *np.cumsum(counts).tolist()]
    assert [columns.names[number] for number in columns.ext.tolist()] == [member.ext for member in members]
    assert columns.numbers("member_offset").tolist() == [member.offset for member in members]
    assert columns.numbers("member_size").tolist() == [member.size for member in members]
    checksums, known = columns.checksums()
    assert checksums.tolist() == [member.checksum or 0 for member in members]
    assert known.tolist() == [member.checksum is not None for member in members]


def test_the_members_that_are_read_are_chosen_by_rules() -> None:
    columns = MemberColumns(rows_table(0, SAMPLES))
    assert columns.chosen(MemberRules()).tolist() == [[1, -1, 3], [0, -1, -1], [-1, -1, 4]]
    assert columns.chosen(MemberRules(media="any")).tolist()[0] == [1, -1, 2]


@pytest.mark.parametrize("values", [pa.nulls(3), pa.array([[None, None], [], [None] * 3])])
def test_checksums_that_nobody_computed_may_have_no_type(values: pa.Array) -> None:
    checksums, known = MemberColumns(changed(member_checksum=values)).checksums()
    assert not known.any() and len(checksums) == len(known) == 5


@pytest.mark.parametrize("name", ["member_offset", "member_size", "member_checksum"])
def test_lists_that_do_not_fit_each_other_are_damage(name: str) -> None:
    columns = MemberColumns(changed(**{name: [[1, 2], [3], [4, 5]]}))
    with pytest.raises(ValueError, match="has member columns of different lengths"):
        columns.checksums() if name == "member_checksum" else columns.numbers(name)
