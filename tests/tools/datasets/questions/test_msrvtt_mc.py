"""MSRVTT-MC: three forms give the same choices under the same keys as MSRVTT-QA; bad lines are named."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.datasets.questions.whole_way import decoded_questions
from tools.datasets.questions import msrvtt_mc, msrvtt_qa
from tools.questions import CAPTION_QUESTION
from tools.rows import AnnotationError, BadRow, Row

Write = Callable[[str, str | bytes], Path]
HEADER = "key\tvid_key\ta1\ta2\ta3\ta4\ta5\tanswer\n"
CAPTIONS = ["a man cooks", "a cat, asleep", "kids sing", "a car drives", "3 men talk"]


def line(video: str, answer: str = "1", captions: list[str] = CAPTIONS) -> str:
    return "\t".join(["ret0", video, *captions, answer]) + "\n"


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    for name in ("video7010.mp4", "video7011.mp4"):
        (tmp_path / "media" / name).touch()
    return tmp_path / "media"


def test_every_form_gives_the_same_choice_under_the_same_key(text_file: Write, media: Path) -> None:
    listed = {"qid": "ret0", "clip_name": "video7010", "options": CAPTIONS, "answer": 1}
    forms = [
        text_file("MSR_MC_test.csv", HEADER + line("msr7010")),
        text_file("msrvtt_mc_test.jsonl", json.dumps(listed) + "\n"),
        text_file("msrvtt_mc_test.json", json.dumps([{"video": "video7010.mp4", "caption": CAPTIONS, "answer": 1}])),
    ]
    for path, identifier in zip(forms, ("ret0", "ret0", "entry 1"), strict=True):
        (row,) = msrvtt_mc.rows(path, media)
        assert isinstance(row, Row)
        assert (row.key, row.meta, row.media_path) == ("video7010", {"id": "video7010"}, media / "video7010.mp4")
        assert row.records == (
            {
                "question": CAPTION_QUESTION,
                "answer": "a cat, asleep",
                "type": "caption",
                "id": identifier,
                "choices": CAPTIONS,
                "answer_index": 1,
            },
        )
    asked = text_file("qa.csv", "video,question,answer,qid,type\n7010,what is it,cat,7,14\n")
    assert [row.key for row in msrvtt_qa.rows(asked, media) if isinstance(row, Row)] == ["video7010"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (line("msr7010", "5"), "malformed line: a.csv line 3: answer 5 is not the number of a choice, 0 to 4"),
        (line("msr7010", "a dog"), "malformed line: a.csv line 3: answer 'a dog' is neither the number of a choice"),
        (line(" "), "malformed line: a.csv line 3: no vid_key; it has key, vid_key, a1"),
        ("ret0\tmsr7010\ta\tb\n", "malformed line: a.csv line 3: 4 columns, the header has 8"),
        (
            line("msr7010", captions=[*CAPTIONS[:4], ""]),
            "no usable text: a.csv line 3: video 'video7010' has no usable question (line 3: choice 4 empty)",
        ),
        (line("msr1"), "media not found: a.csv line 3: video 'video1' with 1 question(s): no file under"),
    ],
)
def test_a_bad_line_says_file_line_reason_and_remedy(text_file: Write, media: Path, bad: str, reason: str) -> None:
    good, row = msrvtt_mc.rows(text_file("a.csv", HEADER + line("msr7011") + bad), media)
    assert isinstance(good, Row) and isinstance(row, BadRow) and row.record_id == "line 3"
    assert row.reason.startswith(reason), row.reason


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"video": "video7010.mp4", "caption": ["a"], "answer": 0}, "caption must be a list of 5 texts, found ['a']"),
        ({"video": "video7010.mp4", "caption": "a", "answer": 0}, "caption must be a list of 5 texts, found a"),
        ({"video": "video7010.mp4", "caption": [*CAPTIONS[:4], 5], "answer": 0}, "caption 4 must be a text, found int"),
        ({"video": "video7010.mp4", "answer": 0}, "no 'a1'; it has video, answer"),
        ({"video": "video7010.mp4", "caption": CAPTIONS}, "answer 'None' is neither the number of a choice nor"),
        ({"caption": CAPTIONS, "answer": 0}, "no vid_key; it has caption, answer"),
        ("video7010", "expected an object with a question, found str"),
    ],
)
def test_a_bad_entry_says_file_place_and_reason(text_file: Write, media: Path, entry: Any, reason: str) -> None:
    (row,) = msrvtt_mc.rows(text_file("a.json", json.dumps([entry])), media)
    assert isinstance(row, BadRow) and row.reason.startswith(f"malformed line: a.json entry 1: {reason}"), row.reason


def test_a_file_of_another_form_is_refused(text_file: Write, media: Path) -> None:
    with pytest.raises(AnnotationError, match=r"a\.csv line 1: the header lacks a1; a2; a3; a4; a5; answer"):
        list(msrvtt_mc.rows(text_file("a.csv", "video_id,vid_key\nvideo1,msr1\n"), media))


def test_published_keys_name_the_published_videos(published: Path) -> None:
    with open(published / "msrvtt_ret/MSRVTT_JSFUSION_test.csv", newline="") as file:
        pairs = [(record["vid_key"], record["video_id"]) for record in csv.DictReader(file)]
    assert len(pairs) == 1000 and all(msrvtt_qa.video_id(key) == video for key, video in pairs)


def test_from_the_file_to_decoded_batches(text_file: Write, samples: Path) -> None:
    lines = line("msr70", "0", ["a bird flies", *CAPTIONS[1:]]) + line("msr71", "4", [*CAPTIONS[:4], "a rabbit wakes"])
    id_map = samples / "msrvtt_qa/video_id_to_file.json"
    path = text_file("MSR_MC_test.csv", HEADER + lines)
    told = decoded_questions("msrvtt_mc", path, samples, "multiple_choice", id_map)
    assert {(one["answer"], one["answer_index"]) for one in told} == {("a bird flies", 0), ("a rabbit wakes", 4)}
