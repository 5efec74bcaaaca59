"""Braces give the names that braceexpand gives, and a pattern for too many is refused before any is made."""

from __future__ import annotations

from contextlib import suppress

import pytest
from braceexpand import braceexpand
from hypothesis import given
from hypothesis import strategies as st

from tools.containers.samples.braces import expanded


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("a.tar", 1), ("s_{000..009}.tar", 10), ("{a,b}{0..2}", 6), ("{a,{b,c}}", 3), ("{a..e}", 5), ("{9..0..3}", 4)],
)
def test_names_are_those_of_braceexpand(pattern: str, count: int) -> None:
    names = expanded(pattern, 1000)
    assert names == list(braceexpand(pattern)) and len(names) == count


@pytest.mark.parametrize("pattern", ["{0..99999999}", "{a,b}" * 30, "{0..999}{0..999}", "{-999999..1}", "{a..z}" * 9])
def test_too_many_names_are_refused_before_one_is_made(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"stands for more than 1,000 names"):
        expanded(pattern, 1000)


@given(st.text("{},.a09", max_size=10))
def test_no_pattern_gives_more_than_the_bound(pattern: str) -> None:
    with suppress(ValueError):
        assert len(expanded(pattern, 5000)) <= 5000
