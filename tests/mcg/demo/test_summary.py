"""The numbers of a demo: what the datasets hold, and answers that turn round with the frames."""

from __future__ import annotations

from pathlib import Path

from mcg.demo.summary import datasets_of, opposite_share
from tests.mcg.small_questions import write_questions


def test_datasets_that_are_there_are_counted(tmp_path: Path) -> None:
    write_questions(tmp_path / "gray", broken=(1,))
    assert datasets_of(str(tmp_path), ["gray", "gone"]) == {"gray": {"rows": 7, "samples": 7, "quarantined": 0}}


def test_opposite_share_counts_direction_questions_only() -> None:
    predictions = [
        {"type": "direction", "answer": "left", "prediction": "right"},
        {"type": "direction", "answer": "up", "prediction": "up"},
        {"type": "color", "answer": "left", "prediction": "right"},
    ]
    assert opposite_share(predictions) == 0.5
