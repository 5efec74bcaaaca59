"""Spans of bytes: joined where they are near."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shards.media.spans import GAP, merge_spans

SPANS = st.lists(st.tuples(st.integers(-50, 400), st.integers(-50, 400)), max_size=12)


@given(spans=SPANS, gap=st.integers(0, 40))
def test_merged_spans_are_the_same_bytes_and_small_gaps(spans: list[tuple[int, int]], gap: int) -> None:
    merged = merge_spans(spans, 300, gap)
    wanted = {byte for start, stop in spans for byte in range(max(0, start), min(stop, 300))}
    covered = [byte for start, stop in merged for byte in range(start, stop)]
    assert wanted <= set(covered) and len(covered) == len(set(covered)) and all(0 <= byte < 300 for byte in covered)
    assert all(other[0] - one[1] > gap for one, other in pairwise(merged))
    assert all({start, stop - 1} <= wanted for start, stop in merged)


def test_gaps_are_bridged() -> None:
    assert merge_spans([(0, 10), (10 + GAP, 20 + GAP)], 1 << 30) == [(0, 20 + GAP)]
    assert len(merge_spans([(0, 10), (11 + GAP, 20 + GAP)], 1 << 30)) == 2
