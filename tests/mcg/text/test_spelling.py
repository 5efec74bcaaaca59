"""Decoded texts as people write them."""

from __future__ import annotations

import pytest

from mcg.text.spelling import as_written


@pytest.mark.parametrize(
    ("decoded", "written"),
    [
        ("a man ' s t - shirt", "a man's t-shirt"),
        ("at 12 : 30", "at 12:30"),
        ("one / two - year - olds", "one/two-year-olds"),
        ("- a dog -", "- a dog -"),
        ("a dog, running .", "a dog, running ."),
    ],
)
def test_marks_within_words_lose_their_spaces(decoded: str, written: str) -> None:
    assert as_written(decoded) == written
