"""A table on disk gives what was put into it, and its memory does not grow with it."""

from __future__ import annotations

import hypothesis.strategies as some
from hypothesis import given

from shards.base.disk_table import DiskTable

TEXT = some.text(max_size=5)


@given(some.lists(some.tuples(TEXT, TEXT), max_size=20))
def test_it_is_a_dict_of_texts(entries: list[tuple[str, str]]) -> None:
    table, known = DiskTable(), dict[str, str]()
    for key, value in entries:
        assert table.get(key) == known.get(key)
        assert table.setdefault(key, value) == known.setdefault(key, value)
    table.update((key, "new") for key, _ in entries)
    assert all(table.get(key) == "new" for key, _ in entries)
    assert table.get("\ud800") is None and table.setdefault("\ud800", "\udfff") == table.get("\ud800") == "\udfff"
    table.close()
