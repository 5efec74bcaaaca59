"""NExT-QA rows: five choices, the right one by number or text, videos by VidOR's folders."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tools.datasets.questions import nextqa
from tools.rows import AnnotationError, BadRow, Row

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]
HEADER = "video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n"
LINE = "4010069381,369,640,480,how do they play,{},6,CH,roll,tap their feet,strum,hit,pat with hand\n"


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "vidor/0101").mkdir(parents=True)
    (tmp_path / "vidor/0101/4010069381.mp4").touch()
    (tmp_path / "vidor/5.mp4").touch()
    return tmp_path / "vidor"


@pytest.fixture
def vidor(text_file: Write) -> Path:
    return text_file("map_vid_vidorID.json", json.dumps({"4010069381": "0101/4010069381", "6": "0101/6"}))


def test_a_question_has_its_choices_and_an_official_id(text_file: Write, media: Path, vidor: Path) -> None:
    (row,) = nextqa.rows(text_file("val.csv", HEADER + LINE.format(2)), media, vidor)
    record = {
        "question": "how do they play",
        "answer": "strum",
        "type": "CH",
        "id": "4010069381_6",
        "choices": ["roll", "tap their feet", "strum", "hit", "pat with hand"],
        "answer_index": 2,
    }
    assert row == Row("line 2", "4010069381", (record,), {"id": "4010069381"}, media / "0101/4010069381.mp4")


def test_other_published_forms_give_the_same_choice(text_file: Write, media: Path, vidor: Path) -> None:
    gqa = text_file("gqa.csv", HEADER.replace("video,", "video_id,") + LINE.format("strum"))
    options = ["roll", "tap their feet", "strum", "hit", "pat with hand"]
    entry = {"video_id": "4010069381", "question": "how do they play", "answer": "2", "qid": 6, "type": "CH"}
    lgva = text_file("lgva.json", json.dumps([{**entry, "options": options}]))
    (official,) = nextqa.rows(text_file("val.csv", HEADER + LINE.format(2)), media, vidor)
    for path in (gqa, lgva):
        (row,) = nextqa.rows(path, media, vidor)
        assert isinstance(row, Row) and isinstance(official, Row) and row.records == official.records


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (LINE.format(5), "malformed line: a.csv line 3: answer 5 is not the number of a choice, 0 to 4"),
        (
            LINE.format("sing"),
            "malformed line: a.csv line 3: answer 'sing' is neither the number of a choice nor the t",
        ),
        (LINE.format(2)[10:], "malformed line: a.csv line 3: no video; it has video, frame_count"),
        (LINE.format(2).replace(",6,", ",,"), "malformed line: a.csv line 3: no qid; it has video"),
        ("5,x\n", "malformed line: a.csv line 3: 2 columns, the header has 13"),
        (
            "5,1,1,1,,2,6,CH,a,b,c,d,e\n",
            "no usable text: a.csv line 3: video '5' has no usable question (line 3: question",
        ),
        (
            "5,1,1,1,q,2,6,CH,a,b,c,d,\n",
            "no usable text: a.csv line 3: video '5' has no usable question (line 3: choice 4",
        ),
        ("7,1,1,1,q,2,6,CH,a,b,c,d,e\n", "media not found: a.csv line 3: video '7' with 1 question(s): no file under"),
        (
            "6,1,1,1,q,2,6,CH,a,b,c,d,e\n",
            "media not found: a.csv line 3: video '6' with 1 question(s): the id map says '",
        ),
    ],
)
def test_a_bad_line_says_file_line_reason_and_remedy(
    text_file: Write, media: Path, vidor: Path, line: str, reason: str
) -> None:
    good, bad = nextqa.rows(text_file("a.csv", HEADER + LINE.format(0) + line), media, vidor)
    assert isinstance(good, Row) and isinstance(bad, BadRow) and bad.record_id == "line 3"
    assert bad.reason.startswith(reason), bad.reason


def test_unknown_forms_are_refused(text_file: Write, media: Path) -> None:
    with pytest.raises(AnnotationError, match=r"a\.csv line 1: the header lacks a0; a1; a2; a3; a4; it has video,"):
        list(nextqa.rows(text_file("a.csv", "video,question,answer,qid,type\n1,q,0,1,CW\n"), media))
    (row,) = nextqa.rows(text_file("a.json", '[{"video_id": "5", "options": ["a"]}]'), media)
    assert isinstance(row, BadRow) and "options must be a list of 5 texts, found ['a']" in row.reason


@pytest.mark.parametrize(
    ("name", "num_videos", "num_questions", "num_causal_why"),
    [
        ("nextqa/val.csv", 570, 4996, 1924),
        ("nextqa/test.csv", 1000, 8564, 3329),
        ("nextqa/lgva_next_val_qa.json", 570, 4996, 1924),
        ("nextgqa/val.csv", 567, 3358, 1474),
    ],
)
def test_every_published_question_is_kept(
    published: Path, one_for_all: OneForAll, name: str, num_videos: int, num_questions: int, num_causal_why: int
) -> None:
    media, id_map = one_for_all(json.loads((published / "nextqa/map_vid_vidorID.json").read_text()))
    rows = [row for row in nextqa.rows(published / name, media, id_map) if isinstance(row, Row)]
    records = [record for row in rows for record in row.records]
    assert (len(rows), len(records)) == (num_videos, num_questions)
    assert Counter(record["type"] for record in records)["CW"] == num_causal_why
    assert len({record["id"] for record in records}) == num_questions
    assert all(record["choices"][record["answer_index"]] == record["answer"] for record in records)


def test_ids_and_folders_are_those_of_the_official_files(published: Path, tmp_path: Path) -> None:
    official = json.loads((published / "nextqa/results_val_example.json").read_text())
    id_map = published / "nextqa/map_vid_vidorID.json"
    vidor = json.loads(id_map.read_text())
    for video in {identifier.split("_")[0] for identifier in official}:
        (tmp_path / vidor[video]).parent.mkdir(exist_ok=True)
        (tmp_path / f"{vidor[video]}.mp4").touch()
    rows = nextqa.rows(published / "nextqa/val.csv", tmp_path, id_map)
    found = {r["id"]: r["answer_index"] for row in rows if isinstance(row, Row) for r in row.records}
    assert found == {identifier: result["answer"] for identifier, result in official.items()}
