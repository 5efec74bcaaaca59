"""MSVD-QA rows: numbered videos become YouTube clips by the published mapping; every published question is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tools.datasets.questions import msrvtt_qa, msvd_qa
from tools.rows import AnnotationError, BadRow, OptionError, Row

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]
QUESTION = {"answer": "nut", "id": 1, "question": "what is a small animal chewing on?", "video_id": 1}


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    for name in ("-4wsuPCjDBc_5_15.avi", "-4wsuPCjDBc_5_15.mp4", "vid2.avi", "3.mp4"):
        (tmp_path / "media" / name).touch()
    return tmp_path / "media"


def test_a_numbered_video_is_the_avi_that_the_mapping_names(text_file: Write, media: Path) -> None:
    path = text_file("train_qa.json", json.dumps([QUESTION, {**QUESTION, "video_id": 2}, {**QUESTION, "video_id": 3}]))
    mapping = text_file("youtube_mapping.txt", "-4wsuPCjDBc_5_15 vid1\n\n")
    mapped, named, numbered = msvd_qa.rows(path, media, mapping)
    assert mapped == Row(
        "entry 1",
        "-4wsuPCjDBc_5_15",
        ({"question": "what is a small animal chewing on?", "answer": "nut", "type": "what", "id": "1"},),
        {"id": "-4wsuPCjDBc_5_15"},
        media / "-4wsuPCjDBc_5_15.avi",
    )
    assert isinstance(named, Row) and named.media_path == media / "vid2.avi"
    assert isinstance(numbered, Row) and numbered.media_path == media / "3.mp4"


def test_clips_named_by_youtube_need_no_mapping(text_file: Write, media: Path) -> None:
    entry = {"question": "who?", "answer": "man", "answer_type": "who", "video": "-4wsuPCjDBc_5_15"}
    (row,) = msvd_qa.rows(text_file("qa.json", json.dumps({"0": entry})), media)
    assert isinstance(row, Row) and row.media_path == media / "-4wsuPCjDBc_5_15.avi"
    assert row.key.startswith("-4wsuPCjDBc_5_15") and row.meta == {"id": "-4wsuPCjDBc_5_15"}


def test_a_clip_that_is_not_there_names_what_was_looked_for(text_file: Write, media: Path) -> None:
    (row,) = msvd_qa.rows(text_file("a.json", json.dumps([{**QUESTION, "video_id": 9}])), media)
    assert isinstance(row, BadRow) and row.reason == (
        f"media not found: a.json entry 1: video '9' with 1 question(s): no file under {media} for vid9.(avi, ...) or "
        "9.(avi, ...); check --media, or name the file in an --id-map, or accept the loss"
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a vid1\nb vid1\n", "line 2: a video that stands twice"),
        ("a vid1 x\n", "line 1: 3 words"),
        ("a\n", "line 1: 1 w"),
    ],
)
def test_a_mapping_of_another_form_is_refused(text_file: Write, media: Path, text: str, what: str) -> None:
    path, mapping = text_file("a.json", json.dumps([QUESTION])), text_file("youtube_mapping.txt", text)
    with pytest.raises(AnnotationError, match=rf'youtube_mapping\.txt {what}.*expected "NAME vid1" per line'):
        msvd_qa.rows(path, media, mapping)


def test_the_corpus_in_msrvtts_and_msvds_form_is_the_same(corpus: Path) -> None:
    notes, videos = corpus / "annotations", corpus / "videos"
    msrvtt = msrvtt_qa.rows(notes / "msrvtt_qa/train.jsonl", videos, notes / "msrvtt_like/video_id_to_file.json")
    for id_map in ("vid_to_file.json", "youtube_mapping.txt"):
        msvd = msvd_qa.rows(notes / "msvd_qa/train_qa.json", videos, notes / "msvd_qa" / id_map)
        rows = list(zip(msrvtt, msvd, strict=True))
        for one, other in rows:
            assert isinstance(one, Row) and isinstance(other, Row)
            assert one.media_path == other.media_path
            assert [r["question"] for r in one.records] == [r["question"] for r in other.records]
        msrvtt = msrvtt_qa.rows(notes / "msrvtt_qa/train.jsonl", videos, notes / "msrvtt_like/video_id_to_file.json")
        assert len(rows) == 70


@pytest.mark.parametrize(
    ("name", "num_videos", "num_questions"),
    [
        ("train_qa.json", 1161, 30933),
        ("val_qa.json", 245, 6415),
        ("test_qa.json", 504, 13157),
        ("hqga_train.csv", 1161, 30933),
        ("malmm_qa_val.json", 245, 6415),
    ],
)
def test_every_published_question_is_kept(
    published: Path, one_for_all: OneForAll, name: str, num_videos: int, num_questions: int
) -> None:
    path = published / "msvd_qa" / name
    videos = set(re.findall(r'"video(?:_id)?": ?"?([^",}]+)', path.read_text())) or {str(n) for n in range(2000)}
    rows = [row for row in msvd_qa.rows(path, *one_for_all(videos)) if isinstance(row, Row)]
    records = [record for row in rows for record in row.records]
    assert (len(rows), len(records)) == (num_videos, num_questions)
    assert not any(row.dropped for row in rows)
    assert {record["type"] for record in records} == {"what", "who", "how", "when", "where"}


def test_violet_labels_are_refused_as_answers(published: Path, tmp_path: Path) -> None:
    entries = json.loads((published / "msvd_qa/violet_txt_msvd-qa.json").read_text())["val"]
    (tmp_path / "val.json").write_text(json.dumps(entries))
    rows = list(msvd_qa.rows(tmp_path / "val.json", tmp_path))
    assert all(isinstance(row, BadRow) and "labels are not answers" in row.reason for row in rows)


@pytest.mark.parametrize(
    ("split", "num_videos", "num_questions"), [("train", 181, 200), ("val", 45, 50), ("test", 48, 50)]
)
def test_published_labels_become_the_words_of_the_vocabulary_beside_them(
    published: Path, one_for_all: OneForAll, split: str, num_videos: int, num_questions: int
) -> None:
    path = published / "msvd_qa/violet_txt_msvd-qa.json"
    value = json.loads(path.read_text())
    media, id_map = one_for_all(entry["video"] for entry in value[split])
    rows = [row for row in msvd_qa.rows(path, media, id_map, split) if isinstance(row, Row)]
    records = [record for row in rows for record in row.records]
    assert (len(rows), len(records)) == (num_videos, num_questions)
    assert sorted(r["answer"] for r in records) == sorted(value["vocab"][entry["answer"]] for entry in value[split])
    with pytest.raises(OptionError, match="holds the splits train, val, test; say which with --split"):
        msvd_qa.rows(path, media, id_map)
