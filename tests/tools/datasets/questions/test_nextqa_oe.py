"""NExT-OE rows: answers in words, second references for the test split."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tools.datasets.questions import nextqa_oe
from tools.rows import AnnotationError, BadRow, Row

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]
HEADER = "video,frame_count,width,height,question,answer,qid,type\n"
LINES = "47,1,2,3,is the baby old enough,no,4,DB\n47,1,2,3,what does it do,{},8,CH\n"


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "vidor/0101").mkdir(parents=True)
    (tmp_path / "vidor/0101/47.mp4").touch()
    return tmp_path / "vidor"


def test_second_references_stand_beside_the_answer(text_file: Write, media: Path) -> None:
    id_map = text_file("map_vid_vidorID.json", '{"47": "0101/47"}')
    references = text_file("add.json", json.dumps({"47": {"8": "crawls"}, "48": {"0": "other"}}))
    annotations = text_file("test.csv", HEADER + LINES.format("crawl away"))
    (row,) = nextqa_oe.rows(annotations, media, references, id_map)
    first = {"question": "is the baby old enough", "answer": "no", "type": "DB", "id": "47_4"}
    second = {"question": "what does it do", "answer": "crawl away", "type": "CH", "id": "47_8"}
    expected = (first, {**second, "answers": ["crawl away", "crawls"]})
    assert row == Row("line 2", "47", expected, {"id": "47"}, media / "0101/47.mp4")
    (plain,) = nextqa_oe.rows(annotations, media, id_map=id_map)
    assert isinstance(plain, Row) and plain.records == (first, second)


def test_bad_lines_are_named(text_file: Write, media: Path) -> None:
    id_map = text_file("map.json", '{"47": "0101/47"}')
    rows = list(nextqa_oe.rows(text_file("a.csv", HEADER + LINES.format("") + "47,x\n"), media, id_map=id_map))
    good, bad = rows
    assert isinstance(good, Row) and good.dropped == ("line 3: answer empty",)
    assert isinstance(bad, BadRow) and bad.reason.startswith(
        "malformed line: a.csv line 4: 2 columns, the header has 8"
    )


@pytest.mark.parametrize(
    ("references", "what"),
    [
        ('["x"]', r"add\.json: expected .*, as add_reference_answer_test\.json"),
        ('{"47": "x"}', r"add\.json: expected "),
        ('{"47": {"8": ""}}', r"add\.json: video '47' qid '8': the answer is ''; remove or write it"),
        ('{"49": {"8": "x"}}', r"add\.json: none of its videos is asked about in .*a\.csv; give that of this split"),
    ],
)
def test_references_of_another_form_or_split_are_refused(
    text_file: Write, media: Path, references: str, what: str
) -> None:
    annotations = text_file("a.csv", HEADER + LINES.format("x"))
    with pytest.raises(AnnotationError, match=what):
        nextqa_oe.rows(annotations, media, text_file("add.json", references))


@pytest.mark.parametrize(
    ("split", "num_videos", "num_questions", "num_second"),
    [("train", 3870, 37523, 0), ("val", 570, 5343, 0), ("test", 1000, 9178, 4632)],
)
def test_every_published_question_is_kept(
    published: Path, one_for_all: OneForAll, split: str, num_videos: int, num_questions: int, num_second: int
) -> None:
    folder = published / "nextqa_oe"
    media, id_map = one_for_all(json.loads((published / "nextqa/map_vid_vidorID.json").read_text()))
    answers = folder / "add_reference_answer_test.json" if split == "test" else None
    rows = [r for r in nextqa_oe.rows(folder / f"{split}.csv", media, answers, id_map) if isinstance(r, Row)]
    records = [record for row in rows for record in row.records]
    assert (len(rows), len(records)) == (num_videos, num_questions)
    assert sum("answers" in record for record in records) == num_second
    assert len(records) - len({record["id"] for record in records}) == (3 if split == "train" else 0)
    assert {record["type"] for record in records} == {"CW", "CH", "TN", "TC", "TP", "DB", "DC", "DL", "DO"}
