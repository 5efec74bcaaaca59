"""TGIF-QA rows: files separated by tabs, four kinds of questions, and a val split that shares no GIF with train."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.tools.datasets.questions.whole_way import decoded_questions
from tools.datasets.questions import tgif_qa
from tools.rows import AnnotationError, BadRow, OptionError, Row

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]
FRAME = "gif_name\tquestion\tanswer\ttype\tvid_id\tkey\tdescription\r\n"
CHOICE = "gif_name\tquestion\ta1\ta2\ta3\ta4\ta5\tanswer\tvid_id\tkey\r\n"
CHOICE_LINE = "tumblr_a\tWhat does it do 3 times ?\tsit\tfall\trun\ttalk\tflap\t{}\tACTION4\t26\r\n"
GIF_CHOICE = "bbb_grass\tWhat does it do ?\tsit\tgrow\trun\ttalk\tflap\t1\t{}\t26\r\n"
COUNT = "gif_name\tquestion\tanswer\tvid_id\tkey\r\n"


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "gifs").mkdir()
    for name in ("tumblr_a.gif", "tumblr_b.gif", "tumblr_c.mp4", "27138.gif"):
        (tmp_path / "gifs" / name).touch()
    return tmp_path / "gifs"


def test_frame_questions_of_a_gif_are_one_sample(text_file: Write, media: Path) -> None:
    path = text_file(
        "Test_frameqa_question.csv",
        FRAME
        + "tumblr_a\twhat is placed in the cone ?\tcookie\t0\tFRAMEQA1\t27138\ta cookie .\r\n"
        + "tumblr_c\twhere is he ?\tmachine\t3\tFRAMEQA2\t1\tx\r\n"
        + "tumblr_a\thow many cones ?\ttwo\t1\tFRAMEQA3\t27138\tx\r\n",
    )
    first, second = tgif_qa.rows(path, media)
    assert first == Row(
        "line 2",
        "tumblr_a",
        (
            {"question": "what is placed in the cone ?", "answer": "cookie", "type": "object", "id": "FRAMEQA1"},
            {"question": "how many cones ?", "answer": "two", "type": "number", "id": "FRAMEQA3"},
        ),
        {"id": "tumblr_a"},
        media / "tumblr_a.gif",
    )
    assert isinstance(second, Row) and second.media_path == media / "tumblr_c.mp4"
    assert second.records[0]["type"] == "location"


def test_actions_transitions_and_counts_are_read_too(text_file: Write, media: Path) -> None:
    action = 'tumblr_a\tWhat does it do 3 times ?\tsit\tfall\tsay "no"\ttalk\tflap\t2\t{}\t26\r\n'
    (row,) = tgif_qa.rows(text_file("Test_action_question.csv", CHOICE + action.format("ACTION4")), media)
    assert isinstance(row, Row) and row.records[0] == {
        "question": "What does it do 3 times ?",
        "answer": 'say "no"',
        "type": "action",
        "id": "ACTION4",
        "choices": ["sit", "fall", 'say "no"', "talk", "flap"],
        "answer_index": 2,
    }
    (row,) = tgif_qa.rows(text_file("Test_transition_question.csv", CHOICE + action.format("TRANS4")), media)
    assert isinstance(row, Row) and row.records[0]["type"] == "transition"
    count = "gif_name\tquestion\tanswer\tvid_id\tkey\r\ntumblr_a\tHow many times ?\t3\tCOUNT12\t52\r\n"
    (row,) = tgif_qa.rows(text_file("Test_count_question.csv", count), media)
    assert isinstance(row, Row)
    assert row.records == ({"question": "How many times ?", "answer": "3", "type": "count", "id": "COUNT12"},)


def test_other_published_forms_are_read(text_file: Write, media: Path) -> None:
    lines = "".join(
        f"27138,477,280,{q},x,F{n}\n" for n, q in enumerate(("what is it", "what color", "how many", "where"))
    )
    (row,) = tgif_qa.rows(text_file("hqga.csv", "video,width,height,question,answer,qid\n" + lines), media)
    assert isinstance(row, Row) and row.media_path == media / "27138.gif"
    assert [record["type"] for record in row.records] == ["object", "color", "number", "location"]
    entry = {"video": "tumblr_b", "question": "What does he do before sit ?", "answer": 1}
    violet = text_file("violet.json", json.dumps({"val": [{**entry, **{f"option_{n}": f"x{n}" for n in range(5)}}]}))
    (row,) = tgif_qa.rows(violet, media, split="val")
    assert isinstance(row, Row) and row.records[0]["answer"] == "x1" and row.records[0]["type"] == "transition"
    with pytest.raises(OptionError, match=r"violet\.json: holds the splits val; say which with --split"):
        tgif_qa.rows(violet, media)
    with pytest.raises(AnnotationError, match=r"b\.json: expected VIOLET's"):
        tgif_qa.rows(text_file("b.json", "[]"), media)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("tumblr_a\tq\ta\t4\tF1\t1\tx\r\n", "malformed line: a.csv line 3: type must be a number, 0 to 3, found '4'"),
        ("\tq\ta\t0\tF1\t1\tx\r\n", "malformed line: a.csv line 3: no gif_name; it has gif_name, question"),
        ("tumblr_a\tq\r\n", "malformed line: a.csv line 3: 2 columns, the header has 7"),
        (
            "tumblr_a\t\ta\t0\tF1\t1\tx\r\n",
            "no usable text: a.csv line 3: video 'tumblr_a' has no usable question (line 3",
        ),
        (
            "tumblr_z\tq\ta\t0\tF1\t1\tx\r\n",
            "media not found: a.csv line 3: video 'tumblr_z' with 1 question(s): no file",
        ),
    ],
)
def test_a_bad_line_says_file_line_reason_and_remedy(text_file: Write, media: Path, line: str, reason: str) -> None:
    good, bad = tgif_qa.rows(text_file("a.csv", FRAME + "tumblr_b\tq\ta\t0\tF1\t1\tx\r\n" + line), media)
    assert isinstance(good, Row) and isinstance(bad, BadRow) and bad.record_id == "line 3"
    assert bad.reason.startswith(reason), bad.reason


def test_a_count_that_is_no_number_is_refused(text_file: Write, media: Path) -> None:
    lines = "gif_name\tquestion\tanswer\tvid_id\tkey\ntumblr_a\tHow many times ?\tfew\tCOUNT12\t52\n"
    (row,) = tgif_qa.rows(text_file("a.csv", lines), media)
    assert isinstance(row, BadRow) and row.reason == (
        "malformed line: a.csv line 2: answer of a count must be a whole number, found 'few'; correct it"
    )


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (CHOICE_LINE.format("5"), "malformed line: a.csv line 3: answer 5 is not the number of a choice, 0 to 4"),
        (CHOICE_LINE.format("no"), "malformed line: a.csv line 3: answer 'no' is neither the number of a choice nor"),
        (CHOICE_LINE.format("1").replace("sit", ""), "no usable text: a.csv line 3: video 'tumblr_a' has no usable"),
    ],
)
def test_a_bad_choice_is_named(text_file: Write, media: Path, bad: str, reason: str) -> None:
    good = CHOICE_LINE.format("1").replace("tumblr_a", "tumblr_b")
    first, row = tgif_qa.rows(text_file("a.csv", CHOICE + good + bad), media)
    assert isinstance(first, Row) and isinstance(row, BadRow) and row.reason.startswith(reason), row.reason


@pytest.mark.parametrize(
    ("name", "lines", "task", "told"),
    [
        ("action", CHOICE + GIF_CHOICE.format("ACTION1"), "multiple_choice", ("grow", "action", "ACTION1")),
        ("transition", CHOICE + GIF_CHOICE.format("TRANS1"), "multiple_choice", ("grow", "transition", "TRANS1")),
        ("count", COUNT + "bbb_grass\tHow many times ?\t3\tCOUNT1\t5\r\n", "open_qa", ("3", "count", "COUNT1")),
        (
            "frameqa",
            FRAME + "bbb_grass\twhat ?\tgrass\t0\tFRAMEQA1\t5\tx\r\n",
            "open_qa",
            ("grass", "object", "FRAMEQA1"),
        ),
    ],
)
def test_from_the_file_to_decoded_batches(
    text_file: Write, samples: Path, name: str, lines: str, task: str, told: tuple[str, str, str]
) -> None:
    path = text_file(f"Test_{name}_question.csv", lines)
    (one,) = decoded_questions("tgif_qa", path, samples / "images", task)
    assert (one["answer"], one["type"], one["id"]) == told


def test_train_and_val_divide_the_gifs_of_a_file(text_file: Write, media: Path) -> None:
    lines = [f"g{n % 500}\tq {n} ?\ta\t0\tF{n}\t1\tx\r\n" for n in range(1000)]
    for n in range(500):
        (media / f"g{n}.gif").touch()
    path = text_file("Train_frameqa_question.csv", FRAME + "".join(lines))
    whole = [row for row in tgif_qa.rows(path, media) if isinstance(row, Row)]
    train = [row for row in tgif_qa.rows(path, media, split="train") if isinstance(row, Row)]
    val = [row for row in tgif_qa.rows(path, media, split="val") if isinstance(row, Row)]
    assert sorted(row.key for row in (*train, *val)) == sorted(row.key for row in whole)
    assert 25 <= len(val) <= 75 and all(len(row.records) == 2 for row in (*train, *val))
    with pytest.raises(OptionError, match=r"--split 'test': choose train or val, or leave it out for the whole file"):
        list(tgif_qa.rows(path, media, split="test"))


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("Test_frameqa_question.csv", {"object": 5586, "color": 3904, "number": 3148, "location": 1053}),
        ("Test_action_question.csv", {"action": 2274}),
        ("Test_transition_question.csv", {"transition": 6232}),
        ("Test_count_question.csv", {"count": 3554}),
        ("Train_action_question.csv", {"action": 20471}),
        ("Train_count_question.csv", {"count": 26839}),
        ("hqga_frameqa_train.csv", {"object": 16746, "color": 11948, "number": 8096, "location": 2602}),
        ("violet_txt_tgif-action.json train", {"action": 200}),
        ("violet_txt_tgif-action.json val", {"action": 50}),
        ("violet_txt_tgif-action.json test", {"action": 50}),
    ],
)
def test_every_published_question_is_kept(
    published: Path, one_for_all: OneForAll, name: str, types: dict[str, int]
) -> None:
    name, _, split = name.partition(" ")
    path = published / "tgif_qa" / name
    media, id_map = one_for_all(re.findall(r"^\d+(?=,)|\btumblr_\w+", path.read_text(), re.MULTILINE))
    rows = [row for row in tgif_qa.rows(path, media, id_map, split or None) if isinstance(row, Row)]
    records = [record for row in rows for record in row.records]
    assert not any(row.dropped for row in rows)
    assert Counter(record["type"] for record in records) == types


def test_types_of_questions_are_inferred_nearly_as_published(
    published: Path, tmp_path: Path, one_for_all: OneForAll
) -> None:
    lines = (published / "tgif_qa/Test_frameqa_question.csv").read_text().splitlines()
    fields = [line.split("\t") for line in lines]
    without = tmp_path / "without.csv"
    without.write_text("".join("\t".join((*f[:3], *f[4:])) + "\n" for f in fields))
    rows = tgif_qa.rows(without, *one_for_all(f[0] for f in fields[1:]))
    inferred = {r["id"]: r["type"] for row in rows if isinstance(row, Row) for r in row.records}
    right = sum(inferred[f[4]] == tgif_qa.TYPES[int(f[3])] for f in fields[1:])
    assert (right, len(inferred)) == (13689, 13691)
