"""Predictions in the forms in which question sets take results, as JSON and as CSV.

    question_list   [{"question_id", "answer"}]                    ActivityNet-QA, and the others as ALPRO and MCG do
    nextqa_oe       {video: {qid: answer}}                         NExT-OE; ids are VIDEO_QID
    nextqa          {VIDEO_QID: {"prediction": n, "answer": n}}    NExT-QA, multiple choice; n counts from 0

The CSV holds the same rows with a header: question_id,answer; video,qid,answer; question_id,prediction,answer. A failed
question stands there with the answer "" or the choice -1, because the official scripts expect every question.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from shards.base import PrintableError

FormName = Literal["question_list", "nextqa_oe", "nextqa"]
Row = dict[str, Any]


class SubmissionError(PrintableError, ValueError):
    """Predictions that do not fit the form they are to be written in."""


class Submission(NamedTuple):
    """Predictions in a form. content: that of the JSON file; columns and rows: of the CSV."""

    content: Any
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def write(self, folder: Path) -> None:
        """Write submission.json and submission.csv in a folder."""
        (folder / "submission.json").write_text(json.dumps(self.content, indent=1, ensure_ascii=False) + "\n", "utf-8")
        with open(folder / "submission.csv", "w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(self.columns)
            lines.writerows(self.rows)


def _question_list(answered: Sequence[Row]) -> Submission:
    rows = [(row["id"], row["prediction"]) for row in answered]
    content = [{"question_id": identifier, "answer": answer} for identifier, answer in rows]
    return Submission(content, ("question_id", "answer"), rows)


def _nextqa_oe(answered: Sequence[Row]) -> Submission:
    rows = [(*_video_and_qid(row["id"]), row["prediction"]) for row in answered]
    content: dict[str, dict[str, str]] = {}
    for video, qid, answer in rows:
        content.setdefault(video, {})[qid] = answer
    return Submission(content, ("video", "qid", "answer"), rows)


def _nextqa(answered: Sequence[Row]) -> Submission:
    rows = [(row["id"], row["prediction_index"], row.get("answer_index", -1)) for row in answered]
    content = {identifier: {"prediction": given, "answer": answer} for identifier, given, answer in rows}
    return Submission(content, ("question_id", "prediction", "answer"), rows)


FORMS: dict[str, Callable[[Sequence[Row]], Submission]] = {
    "question_list": _question_list,
    "nextqa_oe": _nextqa_oe,
    "nextqa": _nextqa,
}


def rankings(predictions: Sequence[Row]) -> Submission:
    """The best candidates of every query: {query: [{"video", "score"}, ...]}, and as CSV a row for each of them. Of
    different texts with one id the second is ID#2, and so on."""
    content: dict[str, list[Row]] = {}
    numbers: dict[str, int] = {}
    for row in predictions:
        name = row["id"]
        while name in content:
            numbers[row["id"]] = numbers.get(row["id"], 1) + 1
            name = f"{row['id']}#{numbers[row['id']]}"
        content[name] = [{"video": video, "score": score} for video, score in row["top"]]
    rows = [
        (query, place, best["video"], best["score"])
        for query, top in content.items()
        for place, best in enumerate(top, start=1)
    ]
    return Submission(content, ("query", "place", "video", "score"), rows)


def captions(predictions: Sequence[Row]) -> Submission:
    """COCO's form of results, [{"image_id", "caption"}], which `python -m mcg.caption_scores` reads; the caption of a
    video that could not be shown is empty."""
    rows = [(row["id"], row.get("prediction", "")) for row in predictions]
    content = [{"image_id": video, "caption": text} for video, text in rows]
    return Submission(content, ("image_id", "caption"), rows)


def submission(predictions: Sequence[Row], failures: Sequence[Row], form: str) -> Submission:
    """Put predictions into a form. Failures without an id, whose records could not be read, are left out; of questions
    with one id (NExT-OE's train has three such pairs) the JSON object holds the last, the CSV all. Raises
    SubmissionError."""
    if form not in FORMS:
        raise SubmissionError(f"form {form!r} is unknown; choose one of {', '.join(FORMS)}")
    failed = [{"prediction": "", "prediction_index": -1, **failure} for failure in failures if failure.get("id")]
    return FORMS[form]([*predictions, *failed])


def _video_and_qid(identifier: str) -> tuple[str, str]:
    video, line, qid = identifier.rpartition("_")
    if not line or not video or not qid:
        raise SubmissionError(
            f"question id {identifier!r}: NExT-OE's form needs VIDEO_QID; build the dataset anew from its published "
            "files, or set task.submission: question_list"
        )
    return video, qid
