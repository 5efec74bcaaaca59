"""QA rows: the questions of a video become one sample, wherever they stand; bad lines and lost media are named."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tools.datasets.questions import msrvtt_qa
from tools.rows import AnnotationError, BadRow, OptionError, Row

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    for name in ("video1.mp4", "video2.mp4", "video3.mp4"):
        (tmp_path / "media" / name).write_bytes(b"x")
    return tmp_path / "media"


def line(video: Any, question: Any = "what is it?", answer: Any = "dog", **more: Any) -> str:
    return json.dumps({"answer": answer, "question": question, "video_id": video, **more}) + "\n"


def test_questions_of_a_video_are_one_sample_even_if_apart(text_file: Write, media: Path) -> None:
    path = text_file(
        "val.jsonl",
        line("video2", "who is it?", "man", answer_type="who")
        + line("video1", answer_type="what")
        + line("video2", "Where is it?", "park"),
    )
    first, second = msrvtt_qa.rows(path, media)
    assert first == Row(
        "line 1",
        "video2",
        (
            {"question": "who is it?", "answer": "man", "type": "who", "id": "line 1"},
            {"question": "Where is it?", "answer": "park", "type": "where", "id": "line 3"},
        ),
        {"id": "video2"},
        media / "video2.mp4",
    )
    assert isinstance(second, Row) and (second.record_id, second.key) == ("line 2", "video1")


def test_other_published_forms_give_the_same_questions(text_file: Write, media: Path) -> None:
    hme = text_file("a.json", json.dumps([{"answer": "dog", "id": 7, "question": "what is it?", "video_id": 3}]))
    hqga = text_file("b.csv", "video,question,answer,qid,type\n3,what is it?,dog,7,14\n")
    entry = {"answer": "dog", "question": "what is it?", "answer_type": "what", "question_id": "7", "video": "video3"}
    malmm = text_file("c.json", json.dumps({"7": entry}))
    expected = ({"question": "what is it?", "answer": "dog", "type": "what", "id": "7"},)
    for path, place in ((hme, "entry 1"), (hqga, "line 2"), (malmm, "entry '7'")):
        (row,) = msrvtt_qa.rows(path, media)
        assert isinstance(row, Row) and (row.key, row.meta) == ("video3", {"id": "video3"})
        assert (row.record_id, row.records, row.media_path) == (place, expected, media / "video3.mp4")


@pytest.mark.parametrize(
    ("bad_line", "reason"),
    [
        ("{nonsense\n", "malformed line: a.jsonl line 2: not JSON (Expecting property name"),
        ("[1]\n", "malformed line: a.jsonl line 2: expected a JSON object, found list"),
        (line(None), "malformed line: a.jsonl line 2: no video_id; it has answer, question, video_id"),
        (line(["video1"]), "malformed line: a.jsonl line 2: no video_id"),
        (
            '{"video_id": "video1", "answer": "x"}\n',
            "malformed line: a.jsonl line 2: no 'question'; it has video_id, answer",
        ),
        (
            line("video1", answer=91),
            "malformed line: a.jsonl line 2: answer must be a text, found int 91; labels are not answers",
        ),
        (
            line("gone"),
            "media not found: a.jsonl line 2: video 'gone' with 1 question(s): no file under MEDIA for gone.(mp4,",
        ),
        (
            line("video1", question=" "),
            "no usable text: a.jsonl line 2: video 'video1' has no usable question (line 2: question empty)",
        ),
    ],
)
def test_a_bad_line_says_file_line_reason_and_remedy(text_file: Write, media: Path, bad_line: str, reason: str) -> None:
    good, bad = msrvtt_qa.rows(text_file("a.jsonl", line("video2") + bad_line), media)
    assert isinstance(good, Row) and isinstance(bad, BadRow) and bad.record_id == "line 2"
    assert bad.reason.startswith(reason.replace("MEDIA", str(media))), bad.reason


def test_empty_questions_and_answers_are_dropped_beside_good_ones(text_file: Write, media: Path) -> None:
    path = text_file("a.jsonl", line("video1", answer="") + line("video1") + line("video1", question=None))
    (row,) = msrvtt_qa.rows(path, media)
    assert isinstance(row, Row)
    assert len(row.records) == 1
    assert row.dropped == ("line 1: answer empty", "line 3: question empty")


def test_the_ten_videos_of_t2vlp_are_left_out_on_demand(text_file: Write, media: Path) -> None:
    for number in (710, 8528):
        (media / f"video{number}.mp4").write_bytes(b"x")
    path = text_file("a.jsonl", line("video710") + line(8528) + line("video1") + line(" video710 ") + "nonsense\n")
    assert [row.key for row in msrvtt_qa.rows(path, media) if isinstance(row, Row)] == [
        "video710",
        "video8528",
        "video1",
    ]
    good, bad = msrvtt_qa.rows(path, media, leave_out="t2vlp")
    assert isinstance(good, Row) and good.key == "video1" and isinstance(bad, BadRow) and bad.record_id == "line 5"
    with pytest.raises(OptionError, match="--leave-out 'T2VLP' is unknown; choose none or t2vlp"):
        msrvtt_qa.rows(path, media, leave_out="T2VLP")


def test_unknown_forms_are_refused(text_file: Write, media: Path) -> None:
    with pytest.raises(
        AnnotationError, match=r"a\.txt: cannot tell the form from \.txt; rename or convert it to one of \.jsonl, "
    ):
        msrvtt_qa.rows(text_file("a.txt", "x"), media)
    with pytest.raises(AnnotationError, match=r"a\.json: expected a list or object of questions, found str"):
        msrvtt_qa.rows(text_file("a.json", '"x"'), media)
    with pytest.raises(
        AnnotationError, match=r"a\.csv line 1: the header lacks video_id or video; question; it has q, answer"
    ):
        msrvtt_qa.rows(text_file("a.csv", "q,answer\n"), media)


@pytest.mark.parametrize(("split", "num_lines"), [("train", 40), ("val", 10), ("test", 13)])
def test_every_question_of_the_samples_is_kept(samples: Path, split: str, num_lines: int) -> None:
    folder = samples / "msrvtt_qa"
    rows = list(msrvtt_qa.rows(folder / f"{split}.jsonl", samples, folder / "video_id_to_file.json"))
    assert all(isinstance(row, Row) for row in rows)
    assert sum(len(row.records) for row in rows if isinstance(row, Row)) == num_lines
    assert len({row.key for row in rows if isinstance(row, Row)}) == len(rows)


@pytest.mark.parametrize("name", ["val.jsonl", "hqga_val.csv", "malmm_qa_val.json"])
def test_published_forms_group_into_the_same_videos(published: Path, one_for_all: OneForAll, name: str) -> None:
    media, id_map = one_for_all(f"video{number}" for number in range(6513, 7010))
    rows = [row for row in msrvtt_qa.rows(published / "msrvtt_qa" / name, media, id_map) if isinstance(row, Row)]
    types = Counter(record["type"] for row in rows for record in row.records)
    assert len(rows) == 497
    assert types == {"what": 8337, "who": 3439, "how": 344, "when": 106, "where": 52}


def test_the_published_test_split_is_whole(published: Path, one_for_all: OneForAll) -> None:
    media, id_map = one_for_all(f"video{number}" for number in range(7010, 10000))
    rows = [row for row in msrvtt_qa.rows(published / "msrvtt_qa/hqga_test.csv", media, id_map) if isinstance(row, Row)]
    assert (len(rows), sum(len(row.records) for row in rows)) == (2990, 72821)
    t2vlp = msrvtt_qa.rows(published / "msrvtt_qa/hqga_test.csv", media, id_map, leave_out="t2vlp")
    assert sum(len(row.records) for row in t2vlp if isinstance(row, Row)) == 72791
