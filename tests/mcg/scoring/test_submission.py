"""Submission files: each form as its question set publishes it, failed questions in their places."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from mcg.scoring.submission import FORMS, SubmissionError, captions, rankings, submission

OPEN = [
    {"id": "2809330695_1", "prediction": "curious", "answer": "hungry"},
    {"id": "2809330695_10", "prediction": "happy", "answer": "happy"},
]
CHOSEN = [{"id": "4010069381_6", "prediction": "roll", "prediction_index": 4, "answer_index": 0}]
FAILED = [
    {"id": "4087013668_0", "answer": "eat", "answer_index": 2, "origin": "o", "reason": "torn"},
    {"origin": "p", "reason": "checksum"},
]


def test_question_list_is_the_form_of_activitynet_qa() -> None:
    made = submission(OPEN, FAILED, "question_list")
    assert made.content == [
        {"question_id": "2809330695_1", "answer": "curious"},
        {"question_id": "2809330695_10", "answer": "happy"},
        {"question_id": "4087013668_0", "answer": ""},
    ]


def test_nextqa_oe_has_qids_within_videos() -> None:
    made = submission(OPEN, FAILED, "nextqa_oe")
    assert made.content == {"2809330695": {"1": "curious", "10": "happy"}, "4087013668": {"0": ""}}
    assert made.rows[1] == ("2809330695", "10", "happy")


def test_nextqa_has_the_numbers_of_choices() -> None:
    made = submission(CHOSEN, FAILED, "nextqa")
    assert made.content == {
        "4010069381_6": {"prediction": 4, "answer": 0},
        "4087013668_0": {"prediction": -1, "answer": 2},
    }


def test_the_forms_are_those_of_the_published_files(annotations: Path) -> None:
    published: Any = json.loads((annotations / "nextqa_oe" / "results_val_example.json").read_text())
    rows = [
        {"id": f"{video}_{qid}", "prediction": answer} for video, of in published.items() for qid, answer in of.items()
    ]
    assert submission(rows, [], "nextqa_oe").content == published
    published = json.loads((annotations / "nextqa" / "results_val_example.json").read_text())
    rows = [
        {"id": i, "prediction_index": one["prediction"], "answer_index": one["answer"]} for i, one in published.items()
    ]
    assert submission(rows, [], "nextqa").content == published


@pytest.mark.parametrize("form", FORMS)
def test_both_files_say_the_same(form: str, tmp_path: Path) -> None:
    rows = [{"prediction_index": 1, "answer_index": 2, **row} for row in OPEN]
    rows[0]["prediction"] = 'a "man", naïve'
    made = submission(rows, [], form)
    made.write(tmp_path)
    assert json.loads((tmp_path / "submission.json").read_text("utf-8")) == made.content
    with open(tmp_path / "submission.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    assert tuple(lines[0]) == made.columns
    assert [tuple(line) for line in lines[1:]] == [tuple(map(str, row)) for row in made.rows]


@pytest.mark.parametrize("identifier", ["17", "_3", "abc_"])
def test_an_id_that_holds_no_video_is_named(identifier: str) -> None:
    with pytest.raises(SubmissionError, match=f"question id '{identifier}': NExT-OE's form needs VIDEO_QID"):
        submission([{"id": identifier, "prediction": "a"}], [], "nextqa_oe")


def test_an_unknown_form_lists_the_known_ones() -> None:
    with pytest.raises(SubmissionError, match="form 'coco' is unknown; choose one of question_list, nextqa_oe, nextqa"):
        submission([], [], "coco")


def test_every_query_of_a_retrieval_has_its_best_also_where_texts_share_an_id() -> None:
    ids = ("7", "8", "7", "7#2", "7")
    predictions = [{"id": name, "top": [[f"v{number}", 0.5], ["w", 0.25]]} for number, name in enumerate(ids)]
    made = rankings(predictions)
    assert list(made.content) == ["7", "8", "7#2", "7#2#2", "7#3"]
    assert [top[0] for top in made.content.values()] == [{"video": f"v{number}", "score": 0.5} for number in range(5)]
    assert made.rows[:2] == [("7", 1, "v0", 0.5), ("7", 2, "w", 0.25)] and len(made.rows) == 10


def test_captions_are_in_the_form_of_coco_and_empty_where_a_video_failed() -> None:
    made = captions([{"id": "v1", "prediction": "a dog", "score": 1.0}, {"id": "v2", "reason": "broken"}])
    assert made.content == [{"image_id": "v1", "caption": "a dog"}, {"image_id": "v2", "caption": ""}]
    assert made.columns == ("image_id", "caption") and made.rows == [("v1", "a dog"), ("v2", "")]
