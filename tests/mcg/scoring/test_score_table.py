"""The table of scores: a row for each type and group, what is not a question task's left alone."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from mcg.metrics.accuracy import accuracy, commonest_answer_accuracy
from mcg.metrics.retrieval import places, ranking_metrics
from mcg.metrics.wups import wups_table
from mcg.scoring.score_table import score_table


def _print(metrics: dict[str, object]) -> str:
    table = score_table(metrics, "run on val")
    assert table is not None
    out = io.StringIO()
    Console(file=out, width=160).print(table)
    return out.getvalue()


def test_types_groups_and_the_whole_are_shown() -> None:
    given, answers, types = ["a", "b", "c", "<failed>"], ["a", "x", "c", "d"], ["CW", "CH", "TN", "failed"]
    metrics = {
        "accuracy": accuracy(given, answers, types, {"causal": ["CW", "CH"]}),
        "baseline": commonest_answer_accuracy(answers, types),
        "num_scored": 3,
        "num_failed": 1,
        **wups_table(np.array([[1.0, 1.0], [0.5, 0.05], [1.0, 1.0], [0.0, 0.0]]), types),
    }
    text = _print(metrics)
    for expected in ("run on val", "accuracy %", "WUPS@0.9", "CW", "causal", "failed", "50.00", "62.50", "1 failed,"):
        assert expected in text, expected
    assert len([line for line in text.splitlines() if " 4 " in line]) == 1  # all four questions in the last row


def test_multiple_choice_has_no_baseline_by_type() -> None:
    metrics = {
        "accuracy": accuracy(["1", "2"], ["1", "1"], ["CW", "TN"]),
        "baseline": {"overall": 0.2},
        "num_scored": 2,
        "num_failed": 0,
    }
    text = _print(metrics)
    assert "20.00" in text and "none failed" in text


def test_names_are_no_markup() -> None:
    metrics = {
        "accuracy": accuracy(["1", "2"], ["1", "1"], ["[/b]", "[red]"], {"[i]": ["[red]"]}),
        "baseline": {"overall": 0.2},
        "num_scored": 2,
        "num_failed": 0,
    }
    table = score_table(metrics, "[/run]")
    assert table is not None
    out = io.StringIO()
    Console(file=out, width=160).print(table)
    assert all(name in out.getvalue() for name in ("[/run]", "[/b]", "[red]", "[i]"))


def test_scores_of_another_shape_have_no_table() -> None:
    assert score_table({"mean_recall": 0.5, "text_to_video": {"R1": 0.5}}, "t") is None


def test_a_retrieval_has_a_row_for_each_direction_and_ranking() -> None:
    found = ranking_metrics(places(np.eye(4), np.eye(4, dtype=bool)), 4, 1, "test")
    way = {**found, "by_contrast": found}
    metrics = {"text_to_video": way, "video_to_text": found, "ranking": "matching", "num_failed": 1}
    shown = _print(metrics)
    assert "text to video, matching" in shown and "text to video, contrast" in shown
    assert "video to text, matching" in shown and "80.00" in shown and "1 failed" in shown


def test_answers_of_the_list_and_of_any_word_stand_side_by_side() -> None:
    metrics = {
        "accuracy": accuracy(["a", "b"], ["a", "b"], ["what", "who"]),
        "open_vocabulary": accuracy(["a", "c"], ["a", "b"], ["what", "who"]),
        "first_piece": accuracy(["a", "c"], ["a", "b"], ["what", "who"]) | {"shared": {"questions": 0.125}},
        "reach": {"vocabulary": 0.75, "list": 0.9},
        "num_scored": 2,
        "num_failed": 0,
    }
    text = " ".join(_print(metrics).split())
    for expected in (
        "accuracy %",
        "any word %",
        "first piece %",
        "12.50 % of the answers begin with the piece of another answer",
        "100.00",
        "50.00",
        "75.00 % of the answers are in the vocabulary",
        "90.00",
    ):
        assert expected in text, expected
