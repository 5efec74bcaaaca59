"""The record of scorings of the test split: where it lies, what is refused, what is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcg.engine.checkpoint import Checkpoint
from mcg.scoring.scoring_record import ScoringRecord
from mcg.tasks.task import Scores


def _checkpoint(folder: Path) -> Checkpoint:
    return Checkpoint(folder, 7, {}, {})


def test_it_lies_with_the_weights(tmp_path: Path) -> None:
    of_run = ScoringRecord(_checkpoint(tmp_path / "run" / "checkpoints" / "best-000007"))
    assert of_run.file == tmp_path / "run" / "evaluation" / "test_scorings.jsonl"
    assert ScoringRecord(_checkpoint(tmp_path / "converted")).file == tmp_path / "converted" / "test_scorings.jsonl"


def test_a_second_scoring_is_refused_and_one_with_a_control_counts_as_none(tmp_path: Path) -> None:
    record = ScoringRecord(_checkpoint(tmp_path / "step-000007"))
    record.check_unscored()
    record.note("black", tmp_path / "out", Scores({}))
    record.check_unscored()
    record.note("none", tmp_path / "out", Scores({}, headline=("accuracy", 0.5)))
    record.note("shuffled", tmp_path / "out", Scores({}))
    with pytest.raises(ValueError, match=r"scored already, at \d{4}-.* with .*step-000007; choose .* --again"):
        record.check_unscored()
    noted = [json.loads(line) for line in record.file.read_text().splitlines()]
    assert [line["control"] for line in noted] == ["black", "none", "shuffled"]
    assert (noted[1]["step"], noted[1]["headline"]) == (7, ["accuracy", 0.5])


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_record_holds_no_scoring(tmp_path: Path, content: str) -> None:
    record = ScoringRecord(_checkpoint(tmp_path))
    record.file.write_text(content)
    record.check_unscored()


@pytest.mark.parametrize("line", ['{"time": "2', "[]", "{}"])
def test_a_torn_line_is_named(tmp_path: Path, line: str) -> None:
    record = ScoringRecord(_checkpoint(tmp_path))
    record.file.write_text(f"\n{line}\n")
    with pytest.raises(ValueError, match=r"test_scorings\.jsonl: line 2 is no scoring \(.*remove the line, or say"):
        record.check_unscored()
