"""Captions that do not fit each other, are no texts, too long or without a word."""

from __future__ import annotations

from typing import Any

import pytest

from mcg.metrics.captioning.checks import (
    MOST_CHARACTERS,
    MOST_WORDS,
    CaptionError,
    check_captions,
    check_words,
    place_in_mappings,
)

FIT: dict[str, Any] = {"a": ["one", "two"], "b": ["three"]}


@pytest.mark.parametrize(
    ("references", "predictions", "reason"),
    [
        ({}, {}, "there are no references to score against"),
        (FIT, {"a": "x"}, r"reference 1 of video 'b': a video without prediction"),
        ({str(n): ["x"] for n in range(9)}, {}, "video '0'; .*video '1'; .*video '2' and 6 more: a video without"),
        (FIT, {"a": "x", "b": "y", "c\n\x1b": "z"}, r"the prediction for 'c\\n\\x1b': a prediction without references"),
        ({"a": "text"}, {"a": "x"}, "video 'a' needs a list of one or more references, found 'text'"),
        ({"a": []}, {"a": "x"}, r"video 'a' needs a list of one or more references, found \[\]"),
        ({"a": ["x", None]}, {"a": "x"}, "reference 2 of video 'a' is None, and must be a text"),
        ({"a": ["x"]}, {"a": ["x"]}, r"the prediction for 'a' is \['x'\], and must be a text"),
        ({"a": ["x"]}, {"a": "x" * (MOST_CHARACTERS + 1)}, "for 'a' has 200,001 characters, the limit is 200,000"),
    ],
)
def test_what_cannot_be_scored_is_named(references: Any, predictions: Any, reason: str) -> None:
    with pytest.raises(CaptionError, match=reason):
        check_captions(references, predictions, place_in_mappings)


def test_what_fits_passes_and_empty_texts_are_counted() -> None:
    check_captions(FIT, {"b": "", "a": "x" * MOST_CHARACTERS}, place_in_mappings)
    tokens = {"a": ["one", ""], "b": ["three " * MOST_WORDS]}
    assert check_words(tokens, {"a": "", "b": "x"}, place_in_mappings, True) == {"reference": 1, "prediction": 1}


@pytest.mark.parametrize(
    ("references", "prediction", "keep_empty", "reason"),
    [
        (["a", ""], "b", False, r"reference 2 of video 'v' has no word after the tokenizer; .*\(--keep-empty\)"),
        (["a"], "", False, "the prediction for 'v' has no word"),
        (["a"], "b " * (MOST_WORDS + 1), True, "the prediction for 'v' has 2,001 words, the limit is 2,000"),
        (["", ""], "b", True, "no reference has a word"),
    ],
)
def test_texts_of_no_words_or_too_many_are_refused(
    references: list[str], prediction: str, keep_empty: bool, reason: str
) -> None:
    with pytest.raises(CaptionError, match=reason):
        check_words({"v": references}, {"v": prediction}, place_in_mappings, keep_empty)
