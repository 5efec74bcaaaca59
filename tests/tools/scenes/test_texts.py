"""The records of a clip: those that overlap it, with times of the clip; records without times belong to every clip."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.scenes.texts import records_of

SEGMENTS = [
    {"caption": "a", "start": 0.0, "end": 4.0, "id": "1"},
    {"caption": "b", "start": 3.0, "end": 9},
    {"caption": "c", "start": 10.0, "end": 10.0},
]


def test_segments_that_overlap_are_taken_with_times_of_the_clip() -> None:
    assert records_of(SEGMENTS, 2, 5) == [
        {"caption": "a", "start": 0.0, "end": 2.0, "id": "1"},
        {"caption": "b", "start": 1.0, "end": 3.0},
    ]
    assert records_of(SEGMENTS, 4, 10) == [{"caption": "b", "start": 0.0, "end": 5.0}]
    assert records_of(SEGMENTS, 10, 12) == [{"caption": "c", "start": 0.0, "end": 0.0}]
    assert records_of(SEGMENTS, 20, 30) == []


def test_the_segments_of_a_paragraph_are_taken_in_its_place() -> None:
    paragraph = [{"caption": "a b c", "segments": SEGMENTS}]
    assert records_of(paragraph, 0, 2) == [{"caption": "a", "start": 0.0, "end": 2.0, "id": "1"}]
    assert records_of([{"caption": "x", "segments": []}], 0, 2) == [{"caption": "x", "segments": []}]


@pytest.mark.parametrize(
    "bad",
    [{"start": None, "end": 3}, {"start": True, "end": 3}, {"start": 5, "end": 3}, {"start": "1", "end": "2"}, {}],
)
def test_records_without_times_belong_to_every_clip(bad: dict[str, Any]) -> None:
    records = [{"caption": "x", **bad}]
    assert records_of(records, 0, 1) == records == records_of(records, 7, 8)
    assert records_of([*records, SEGMENTS[0]], 0, 1) == [{"caption": "a", "start": 0.0, "end": 1.0, "id": "1"}]


@given(st.floats(0, 100), st.floats(0, 50), st.floats(0, 100), st.floats(0.01, 50))
def test_times_lie_inside_the_clip(start: float, length: float, first: float, clip: float) -> None:
    for record in records_of([{"caption": "x", "start": start, "end": start + length}], first, first + clip):
        assert 0 <= record["start"] <= record["end"] + 1e-6 and record["end"] <= clip + 1e-5
