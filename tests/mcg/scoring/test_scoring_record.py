"""The record of scorings of the test split: where it lies, what is refused, what is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcg.engine.checkpoint import Checkpoint
from mcg.scoring.scoring_record import check_unscored, note_scoring, record_of
from mcg.tasks.task import Scores


def _checkpoint(folder: Path) -> Checkpoint:
    return Checkpoint(folder, 7, {}, {})


def test_it_lies_with_the_weights(tmp_path: Path) -> None:
    of_run = record_of(_checkpoint(tmp_path / "run" / "checkpoints" / "best-000007"))
    assert of_run == tmp_path / "run" / "evaluation" / "test_scorings.jsonl"
    assert record_of(_checkpoint(tmp_path / "converted")) == tmp_path / "converted" / "test_scorings.jsonl"


def test_a_second_scoring_is_refused_and_one_with_a_control_counts_as_none(tmp_path: Path) -> None:
    file, checkpoint = tmp_path / "evaluation" / "test_scorings.jsonl", _checkpoint(tmp_path / "step-000007")
    check_unscored(file)
    note_scoring(file, checkpoint, "black", tmp_path / "out", Scores({}))
    check_unscored(file)
    note_scoring(file, checkpoint, "none", tmp_path / "out", Scores({}, headline=("accuracy", 0.5)))
    note_scoring(file, checkpoint, "shuffled", tmp_path / "out", Scores({}))
    with pytest.raises(ValueError, match=r"scored already, at \d{4}-.* with .*step-000007; choose .* --again"):
        check_unscored(file)
    noted = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["control"] for line in noted] == ["black", "none", "shuffled"]
    assert (noted[1]["step"], noted[1]["headline"]) == (7, ["accuracy", 0.5])


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_record_holds_no_scoring(tmp_path: Path, content: str) -> None:
    file = tmp_path / "test_scorings.jsonl"
    file.write_text(content)
    check_unscored(file)


@pytest.mark.parametrize("line", ['{"time": "2', "[]", "{}"])
def test_a_torn_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "test_scorings.jsonl"
    file.write_text(f"\n{line}\n")
    with pytest.raises(ValueError, match=r"test_scorings\.jsonl: line 2 is no scoring \(.*remove the line, or say"):
        check_unscored(file)
