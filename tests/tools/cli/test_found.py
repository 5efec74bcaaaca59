"""The lines that duplicates and leaks share."""

from __future__ import annotations

from tools.cli.found import found_rows
from tools.duplicates.find import Found


def test_bounds_are_told_where_they_cut_something() -> None:
    found = Found("out", {"a": 1200, "b": 3}, {"near": 4}, not_looked_at={"decode": 2})
    found.bounded = {"hashes": 0, "lookups": 5, "candidates": 0}
    found.between = {"a and a": {"near": 1}, "a and b": {"near": 3}}
    assert found_rows(found) == [
        ("samples of a", "1,200"),
        ("samples of b", "3"),
        ("not compared, decode", "2"),
        ("pairs, near", "4"),
        ("  a and a, near", "1"),
        ("  a and b, near", "3"),
        ("lookups cut short", "5"),
    ]
