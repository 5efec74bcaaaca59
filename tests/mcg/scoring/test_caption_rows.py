"""The rows of a table of caption metrics."""

from __future__ import annotations

from mcg.scoring.caption_rows import caption_rows

METRICS = {
    "CIDEr": 0.52345,
    "intervals": {"CIDEr": [0.5, 0.61]},
    "words": {"mean": 7.25, "least": 3, "most": 12, "references_mean": 9.0},
    "counts": {"videos": 1200, "references": 24000, "empty_predictions": 2},
    "distinct": 0.75,
}


def test_scores_are_times_a_hundred_and_shares_in_percent() -> None:
    assert caption_rows(METRICS, {"SPICE": "it lacks its parser"}) == [
        ("CIDEr", "52.34  [50.00, 61.00]"),
        ("SPICE", "absent"),
        ("distinct", "75.0 %"),
        ("words", "7.2 (3 to 12)"),
        ("words of references", "9.0"),
        ("videos", "1,200, 2 without a word"),
        ("references", "24,000"),
    ]
    assert ("copied", "12.5 %") in caption_rows({**METRICS, "copied": 0.125}, {})
