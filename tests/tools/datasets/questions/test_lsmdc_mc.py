"""LSMDC's multiple choice: both forms, and a right sentence whose place in train tells nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.tools.datasets.questions.whole_way import decoded_questions
from tools.datasets.questions import lsmdc_fib, lsmdc_mc
from tools.questions import CAPTION_QUESTION
from tools.rows import BadRow, OptionError, Row

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]
TIMES = "00.00.32.600\t00.00.35.900\t00.00.32.600\t00.00.35.900"
ONE = "3101_BIG_BUCK_BUNNY_00.00.32.600-00.00.35.900"
OTHER = "1101_SINTEL_00.00.18.500-00.00.21.100"
SENTENCES = ["SOMEONE smiles.", "Three rodents look.", 'He says "no.', "Snow, grey mountains.", "SOMEONE runs."]


def line(clip: str, *more: str) -> str:
    return "\t".join([clip, TIMES, *SENTENCES, *more]) + "\n"


@pytest.fixture
def media(tmp_path: Path) -> Path:
    for film, clip in (("3101_BIG_BUCK_BUNNY", ONE), ("1101_SINTEL", OTHER)):
        (tmp_path / "media" / film).mkdir(parents=True)
        (tmp_path / "media" / film / f"{clip}.avi").touch()
    return tmp_path / "media"


def test_the_answer_of_test_counts_from_one(text_file: Write, media: Path) -> None:
    path = text_file("LSMDC16_multiple_choice_test_randomized.csv", line(ONE, "2") + line(OTHER, "5"))
    first, second = lsmdc_mc.rows(path, media)
    assert isinstance(first, Row) and first.media_path == media / f"3101_BIG_BUCK_BUNNY/{ONE}.avi"
    assert first.records == (
        {
            "question": CAPTION_QUESTION,
            "answer": "Three rodents look.",
            "type": "caption",
            "id": "line 1",
            "choices": SENTENCES,
            "answer_index": 1,
        },
    )
    assert isinstance(second, Row) and second.records[0]["answer_index"] == 4


def test_the_place_of_the_right_sentence_of_train_tells_nothing(text_file: Write, one_for_all: OneForAll) -> None:
    clips = [f"1001_Film_00.{number // 60:02d}.{number % 60:02d}.000-00.59.59.000" for number in range(1000)]
    path = text_file("LSMDC16_multiple_choice_train.csv", "".join(map(line, clips)))
    media, id_map = one_for_all(clips)
    records = [row.records[0] for row in lsmdc_mc.rows(path, media, id_map) if isinstance(row, Row)]
    assert all(record["answer"] == SENTENCES[0] == record["choices"][record["answer_index"]] for record in records)
    assert all(sorted(record["choices"]) == sorted(SENTENCES) for record in records)
    places = Counter(record["answer_index"] for record in records)
    assert sorted(places) == [0, 1, 2, 3, 4] and all(150 < count < 250 for count in places.values())
    again = [row.records[0] for row in lsmdc_mc.rows(path, media, id_map) if isinstance(row, Row)]
    assert again == records


def test_a_clip_has_one_key_in_both_sets(text_file: Write, media: Path) -> None:
    blank = text_file("fib.csv", f"{ONE}\t{TIMES}\tx\tIt _____ .\truns\n")
    keys = {row.key for row in lsmdc_fib.rows(blank, media) if isinstance(row, Row)}
    assert keys == {row.key for row in lsmdc_mc.rows(text_file("mc.csv", line(ONE)), media) if isinstance(row, Row)}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (line(ONE, "0"), "malformed line: a.csv line 2: answer must be the number of a sentence, 1 to 5, found '0'"),
        (line(ONE, "6"), "malformed line: a.csv line 2: answer must be the number of a sentence, 1 to 5, found '6'"),
        (line(ONE, ""), "malformed line: a.csv line 2: answer must be the number of a sentence, 1 to 5, found ''"),
        (
            line(ONE, "1", "2"),
            "malformed line: a.csv line 2: 12 field(s) separated by tabs, expected 10 (clip, start_aligned, "
            "end_aligned, start_extracted, end_extracted, sentence1, sentence2, sentence3, sentence4, sentence5) or 11",
        ),
        (line("", "1"), "malformed line: a.csv line 2: no clip; it has clip, start_aligned"),
        (
            line(ONE, "1").replace("SOMEONE runs.", " "),
            f"no usable text: a.csv line 2: video {ONE!r} has no usable question (line 2: choice 4 empty)",
        ),
        (line("9_X", "1"), "media not found: a.csv line 2: video '9_X' with 1 question(s): no file under"),
    ],
)
def test_a_bad_line_says_file_line_reason_and_remedy(text_file: Write, media: Path, bad: str, reason: str) -> None:
    good, row = lsmdc_mc.rows(text_file("a.csv", line(OTHER, "1") + bad), media)
    assert isinstance(good, Row) and isinstance(row, BadRow) and row.record_id == "line 2"
    assert row.reason.startswith(reason), row.reason


@pytest.mark.parametrize(("split", "count"), [("train", 15), ("valid", 5), ("test_randomized", 5)])
def test_the_corpus_is_read_whole(corpus: Path, split: str, count: int) -> None:
    notes = corpus / "annotations/lsmdc"
    path, id_map = notes / f"LSMDC16_multiple_choice_{split}.csv", notes / "clip_id_to_file.json"
    rows = [row for row in lsmdc_mc.rows(path, corpus / "videos", id_map) if isinstance(row, Row)]
    assert sum(len(row.records) for row in rows) == count and not any(row.dropped for row in rows)


def test_from_the_file_to_decoded_batches(text_file: Write, samples: Path) -> None:
    path = text_file("LSMDC16_multiple_choice_test_randomized.csv", line(ONE, "2") + line(OTHER, "5"))
    id_map = text_file("map.json", f'{{"{ONE}": "bbb_rodents.avi", "{OTHER}": "sintel_alley.mp4"}}')
    told = decoded_questions("lsmdc_mc", path, samples / "videos", "multiple_choice", id_map)
    assert {(one["answer"], one["answer_index"], tuple(one["choices"])) for one in told} == {
        ("Three rodents look.", 1, tuple(SENTENCES)),
        ("SOMEONE runs.", 4, tuple(SENTENCES)),
    }


def test_lavenders_splits_are_read_with_answers_from_zero(text_file: Write, media: Path) -> None:
    options = {f"option_{number}": f"SOMEONE {number}." for number in range(5)}
    entry = {"video": ONE, "question": "", **options, "answer": 3}
    path = text_file("txt_lsmdc-mc.json", json.dumps({"train": [entry], "test": [{**entry, "answer": 5}]}))
    (row,) = lsmdc_mc.rows(path, media, split="train")
    assert isinstance(row, Row) and row.records[0] | {"type": "caption"} == row.records[0]
    assert (row.records[0]["answer"], row.records[0]["answer_index"]) == ("SOMEONE 3.", 3)
    assert row.records[0]["choices"] == list(options.values()) and row.records[0]["id"] == "train entry 1"
    (bad,) = lsmdc_mc.rows(path, media, split="test")
    assert isinstance(bad, BadRow) and "test entry 1: answer 5 is not the number of a choice, 0 to 4" in bad.reason
    with pytest.raises(OptionError, match="holds the splits train, test; say which with --split"):
        lsmdc_mc.rows(path, media)
    with pytest.raises(OptionError, match="--split train is for files that hold several splits"):
        lsmdc_mc.rows(text_file("a.csv", line(ONE)), media, split="train")
