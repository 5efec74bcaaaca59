"""LSMDC's blanks: a clip's blanks become one sample, quotes are letters, clips lie in the folder of their film."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.datasets.questions.whole_way import decoded_questions
from tools.datasets.questions import lsmdc_fib
from tools.rows import BadRow, OptionError, Row

Write = Callable[[str, str | bytes], Path]
TIMES = "00.00.32.600\t00.00.35.900\t00.00.32.600\t00.00.35.900"
ONE = "3101_BIG_BUCK_BUNNY_00.00.32.600-00.00.35.900"
OTHER = "1041_This_is_40_00.42.39.330-00.42.41.460"


def line(clip: str, sentence: str, blank: str, answer: str) -> str:
    return f"{clip}\t{TIMES}\t{sentence}\t{blank}\t{answer}\n"


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media/1041_This_is_40").mkdir(parents=True)
    (tmp_path / f"media/1041_This_is_40/{OTHER}.avi").touch()
    (tmp_path / f"media/{ONE}.mp4").touch()
    return tmp_path / "media"


def test_blanks_of_a_clip_are_one_sample(text_file: Write, media: Path) -> None:
    path = text_file(
        "LSMDC16_annos_test_FIB.csv",
        line(ONE, "Three rodents look.", "_____ rodents look .", "three")
        + line(OTHER, 'He says "no.', 'He _____ "no .', "says")
        + "\n"
        + line(f"{ONE} ", "Three rodents look.", "Three _____ look .", "rodents"),
    )
    first, second = lsmdc_fib.rows(path, media)
    assert isinstance(first, Row) and (first.record_id, first.meta) == ("line 1", {"id": ONE})
    assert first.media_path == media / f"{ONE}.mp4"
    assert first.records == (
        {"question": "_____ rodents look .", "answer": "three", "type": "blank", "id": "line 1"},
        {"question": "Three _____ look .", "answer": "rodents", "type": "blank", "id": "line 4"},
    )
    assert isinstance(second, Row) and second.media_path == media / f"1041_This_is_40/{OTHER}.avi"
    assert second.records[0]["question"] == 'He _____ "no .'


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            f"{ONE}\t{TIMES}\tThree look.\t_____ look .\n",
            "malformed line: a.csv line 2: 7 field(s) separated by tabs, expected 8 (clip, start_aligned, end_aligned, "
            "start_extracted, end_extracted, sentence, question, answer); correct the line",
        ),
        (line(ONE, "It runs.", "It runs .", "runs"), "malformed line: a.csv line 2: no blank _____ in 'It runs .'"),
        (
            line(ONE, "It runs.", "_____ _____ .", "runs"),
            "malformed line: a.csv line 2: several blanks in '_____ _____ .'",
        ),
        (line(" ", "It runs.", "It _____ .", "runs"), "malformed line: a.csv line 2: no clip; it has clip, start_al"),
        (
            line(ONE, "It runs.", "It _____ .", ""),
            f"no usable text: a.csv line 2: video {ONE!r} has no usable question (line 2: answer empty)",
        ),
        (line(ONE, "It runs.", " ", "runs"), f"no usable text: a.csv line 2: video {ONE!r} has no usable question"),
        (
            line("2012_Unbreakable_1", "It runs.", "It _____ .", "runs"),
            "media not found: a.csv line 2: video '2012_Unbreakable_1' with 1 question(s): no file under",
        ),
    ],
)
def test_a_bad_line_says_file_line_reason_and_remedy(text_file: Write, media: Path, bad: str, reason: str) -> None:
    good, row = lsmdc_fib.rows(text_file("a.csv", line(OTHER, "It runs.", "It _____ .", "runs") + bad), media)
    assert isinstance(good, Row) and isinstance(row, BadRow) and row.record_id == "line 2"
    assert row.reason.startswith(reason), row.reason


def test_a_word_that_is_no_text_is_dropped_beside_others(text_file: Write, media: Path) -> None:
    lines = line(ONE, "It runs.", "It _____ .", "runs").encode() + line(ONE, "x", "a _____ .", "caf").encode()
    (row,) = lsmdc_fib.rows(text_file("a.csv", lines.replace(b"caf", b"caf\xe9")), media)
    assert isinstance(row, Row) and len(row.records) == 1
    assert row.dropped == ("line 2: answer not valid UTF-8",)


def test_a_file_that_is_not_there_is_named(media: Path) -> None:
    with pytest.raises(OptionError, match=r"none\.csv: no such file; check --annotations"):
        lsmdc_fib.rows(media / "none.csv", media)


def test_published_clips_lie_in_the_folders_of_their_films(published: Path) -> None:
    files = {"fillin_references_val_new.csv": 7408, "tgif_gif2movie_MPII-MD.tsv": 6580}
    for file, count in files.items():
        lines = (published / "lsmdc" / file).read_text().splitlines()
        clips = [text.split("\t")[0].removesuffix(".avi") for text in lines]
        assert len(clips) == count
        for clip in clips:
            inside, bare = lsmdc_fib.clip_names(clip)
            film = inside.removesuffix(f"/{clip}")
            assert bare == clip and re.fullmatch(rf"{re.escape(film)}_[\d.]+-[\d.]+", clip), clip


@pytest.mark.parametrize(("split", "count"), [("training", 59), ("val", 13), ("test", 16)])
def test_the_corpus_is_read_whole(corpus: Path, split: str, count: int) -> None:
    notes = corpus / "annotations/lsmdc"
    path, id_map = notes / f"LSMDC16_annos_{split}_FIB.csv", notes / "clip_id_to_file.json"
    rows = [row for row in lsmdc_fib.rows(path, corpus / "videos", id_map) if isinstance(row, Row)]
    assert sum(len(row.records) for row in rows) == count and not any(row.dropped for row in rows)


def test_from_the_file_to_decoded_batches(text_file: Write, samples: Path) -> None:
    path = text_file(
        "LSMDC16_annos_test_FIB.csv",
        line(ONE, "Three rodents look.", "Three _____ look .", "rodents")
        + line(OTHER, "A bird sits.", "A _____ sits .", "bird"),
    )
    id_map = text_file("map.json", f'{{"{ONE}": "bbb_rodents.avi", "{OTHER}": "bbb_bird.mp4"}}')
    told = decoded_questions("lsmdc_fib", path, samples / "videos", "open_qa", id_map)
    assert {(one["question"], one["answer"], one["type"]) for one in told} == {
        ("Three _____ look .", "rodents", "blank"),
        ("A _____ sits .", "bird", "blank"),
    }


def test_lavenders_splits_are_read_with_the_words_of_their_vocabulary(text_file: Write, media: Path) -> None:
    entries = [{"video": ONE, "question": f"SOMEONE [MASK] {n}.", "answer": n} for n in (1, 7)]
    entries += [{"video": ONE, "question": "SOMEONE [MASK].", "answer": 9, "answer_text": "jumps"}]
    value = {"train": entries, "ans2label": {"runs": 0, "sits": 1}}
    rows = list(lsmdc_fib.rows(text_file("a.json", json.dumps(value)), media, split="train"))
    good, bad = sorted(rows, key=lambda row: isinstance(row, BadRow))
    assert isinstance(good, Row) and [(r["question"], r["answer"], r["type"]) for r in good.records] == [
        ("SOMEONE [MASK] 1.", "sits", "blank"),
        ("SOMEONE [MASK].", "jumps", "blank"),
    ]
    assert isinstance(bad, BadRow) and "train entry 2: the answer 7 is none of the 2 that the file lists" in bad.reason
