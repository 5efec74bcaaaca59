"""A video has one key in every form of its dataset, however the form spells it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.datasets.pretraining import webvid
from tools.datasets.questions import (
    activitynet_qa,
    lsmdc_fib,
    lsmdc_mc,
    msrvtt_mc,
    msrvtt_qa,
    msvd_qa,
    nextqa,
    nextqa_oe,
    tgif_qa,
)
from tools.datasets.retrieval import activitynet_captions, didemo, lsmdc, msrvtt, msvd
from tools.rows import BadRow, Row

Write = Callable[[str, str | bytes], Path]
OPTIONS = {f"option_{n}": f"choice {n}" for n in range(5)}
ASK = {"question": "what ?", "answer": "a"}
CLIP = "0001_American_Beauty_00.00.51.926-00.00.54.129"
GIF = "tumblr_na929te8zl1rnbl86o1_400"
YOUTUBE = "-4wsuPCjDBc_5_15"


def keys(rows: Iterator[Row | BadRow]) -> set[str]:
    found = list(rows)
    assert found and all(isinstance(row, Row) for row in found), found
    return {row.key for row in found if isinstance(row, Row)}


@pytest.fixture
def media(tmp_path: Path) -> Path:
    names = ("video7010.mp4", f"{CLIP}.avi", f"{GIF}.gif", f"{YOUTUBE}.avi", "v_okC18bPTils.mp4", "4010069381.mp4")
    (tmp_path / "media").mkdir()
    for name in (*names, "1_2_3.mp4", "77.mp4"):
        (tmp_path / "media" / name).touch()
    return tmp_path / "media"


def test_msrvtt(text_file: Write, media: Path) -> None:
    for name in ("7010", "video7010", "video7010.mp4", "msr7010"):
        asked = text_file("a.json", json.dumps([{**ASK, "video": name}]))
        choice = text_file("b.json", json.dumps({"test": [{"video": name, "question": "", **OPTIONS, "answer": 1}]}))
        split = text_file("d.json", json.dumps({"val": [{**ASK, "video": name, "answer": 0}], "vocab": ["a"]}))
        said = text_file("c.json", json.dumps([{"video": name, "caption": "c"}]))
        made = keys(msrvtt_qa.rows(asked, media)) | keys(msrvtt_mc.rows(choice, media, split="test"))
        assert made | keys(msrvtt.rows(said, media)) | keys(msrvtt_qa.rows(split, media, split="val")) == {"video7010"}


def test_msvd(text_file: Write, media: Path) -> None:
    mapping = text_file("youtube_mapping.txt", f"{YOUTUBE} vid1\n")
    for name in (1, "1", "vid1", YOUTUBE, f"{YOUTUBE}.avi"):
        asked = text_file("a.json", json.dumps([{**ASK, "video": name}]))
        assert keys(msvd_qa.rows(asked, media, mapping)) == {YOUTUBE}
        if str(name) not in ("1",):
            said = text_file("b.json", json.dumps([{"video": name, "caption": "c"}]))
            assert keys(msvd.rows(said, media, id_map=mapping)) == {YOUTUBE}
    (media / "vid3.avi").touch()
    for name in (3, "vid3", "vid3.avi"):
        assert keys(msvd_qa.rows(text_file("a.json", json.dumps([{**ASK, "video": name}])), media)) == {"3"}


def test_activitynet(text_file: Write, media: Path) -> None:
    said = {"duration": 9, "timestamps": [[0, 1]], "sentences": ["a"]}
    for name in ("okC18bPTils", "v_okC18bPTils"):
        questions = text_file("q.json", json.dumps([{"video_name": name, "question": "q", "question_id": "1"}]))
        answers = text_file("a.json", json.dumps([{"answer": "a", "type": 1, "question_id": "1"}]))
        assert keys(activitynet_qa.rows(questions, media, answers)) == {"okC18bPTils"}
        path, listed = text_file("c.json", json.dumps({name: said})), text_file("list.txt", "okC18bPTils\n")
        assert keys(activitynet_captions.rows(path, media, listed)) == {"v_okC18bPTils"}
    (media / "v_v_abcdefghi.mp4").touch()  # an id of YouTube that begins so itself
    for others in ({"v_v_abcdefghi": said}, {"v_abcdefghi": said, "okC18bPTils": said}):
        path = text_file("c.json", json.dumps(others))
        assert "v_v_abcdefghi" in keys(activitynet_captions.rows(path, media))
    assert activitynet_qa.bare_name("v_abcdefghi") == "v_abcdefghi"


def test_tgif(text_file: Write, media: Path) -> None:
    for name in (GIF, f"{GIF}.gif"):
        release = text_file("a.csv", f"gif_name\tquestion\tanswer\tvid_id\tkey\n{name}\thow many ?\t3\tCOUNT1\t5\n")
        violet = text_file("v.json", json.dumps({"val": [{"video": name, "question": "q", **OPTIONS, "answer": 1}]}))
        assert keys(tgif_qa.rows(release, media)) | keys(tgif_qa.rows(violet, media, split="val")) == {GIF}


def test_lsmdc(text_file: Write, media: Path) -> None:
    times = "\t0\t1\t0\t1\t"
    made = set()
    for name in (CLIP, f"{CLIP}.avi", f"{CLIP}.mp4"):
        made |= keys(lsmdc.rows(text_file("a.csv", f"{name}{times}SOMEONE sits.\n"), media))
        made |= keys(lsmdc.rows(text_file("a.json", json.dumps({"val": [{"video": name, "caption": "c"}]})), media))
        made |= keys(lsmdc_fib.rows(text_file("b.csv", f"{name}{times}A b.\tA _____.\tb\n"), media))
        made |= keys(lsmdc_mc.rows(text_file("c.csv", f"{name}{times}" + "\t".join("abcde") + "\n"), media))
        blank = {"val": [{"video": name, "question": "A [MASK].", "answer": 0}], "ans2label": {"b": 0}}
        made |= keys(lsmdc_fib.rows(text_file("b.json", json.dumps(blank)), media, split="val"))
        choice = {"test": [{"video": name, "question": "", **OPTIONS, "answer": 1}]}
        made |= keys(lsmdc_mc.rows(text_file("c.json", json.dumps(choice)), media, split="test"))
    assert len(made) == 1


def test_nextqa(text_file: Write, media: Path) -> None:
    head = "video,question,answer,qid,type"
    for name in ("4010069381", "0101/4010069381", "4010069381.mp4"):
        open_ended = text_file("oe.csv", f"{head}\n{name},q,a,1,CW\n")
        choices = text_file("mc.csv", f"{head},a0,a1,a2,a3,a4\n{name},q,0,1,CW,a,b,c,d,e\n")
        grounded = text_file(
            "gqa.csv", f"{head.replace('video', 'video_id')},a0,a1,a2,a3,a4\n{name},q,a,1,CW,a,b,c,d,e\n"
        )
        made = keys(nextqa_oe.rows(open_ended, media)) | keys(nextqa.rows(choices, media))
        assert made | keys(nextqa.rows(grounded, media)) == {"4010069381"}
        (row,) = nextqa.rows(choices, media)
        assert isinstance(row, Row) and row.records[0]["id"] == "4010069381_1"


def test_didemo(text_file: Write, media: Path) -> None:
    for name in ("1_2_3.mp4", "1_2_3.mov", "1_2_3."):
        own = text_file("a.json", json.dumps([{"video": name, "description": "d", "times": [[0, 0]]}]))
        alpro = text_file("a.jsonl", json.dumps({"clip_name": name, "caption": "d"}) + "\n")
        assert keys(didemo.rows(own, media)) | keys(didemo.rows(alpro, media)) == {"1_2_3"}


def test_webvid(text_file: Write, media: Path) -> None:
    forms: list[Any] = [
        text_file("a.csv", "videoid,name\n77,c\n"),
        text_file("a.jsonl", '{"video_id": 77, "text": "c"}\n'),
        text_file("b.jsonl", '{"video_id": 77.0, "text": "c"}\n'),
    ]
    violet = text_file("v.json", json.dumps({"train": {"77": ["c"]}}))
    assert {key for path in forms for key in keys(webvid.rows(path, media))} == {"77"}
    assert keys(webvid.rows(violet, media, split="train")) == {"77"}


@pytest.mark.long
def test_published_forms_of_a_set_name_the_same_videos(published: Path, tmp_path: Path) -> None:
    """val of MSRVTT-QA in two forms, and of NExT-QA and NExT-GQA."""

    def videos(rows: Iterator[Row | BadRow]) -> set[str]:
        return {re.findall(r"video '([^']+)' with", row.reason)[0] for row in rows if isinstance(row, BadRow)}

    msrvtt_forms = [published / "msrvtt_qa" / name for name in ("val.jsonl", "hqga_val.csv")]
    first, *others = (videos(msrvtt_qa.rows(path, tmp_path)) for path in msrvtt_forms)
    assert len(first) == 497 and all(other == first for other in others)
    grounded = videos(nextqa.rows(published / "nextgqa/val.csv", tmp_path))
    whole = videos(nextqa.rows(published / "nextqa/val.csv", tmp_path))
    assert len(grounded) == 567 and grounded < whole == videos(
        nextqa_oe.rows(published / "nextqa_oe/val.csv", tmp_path)
    )


def test_odd_captions_survive_every_form(corpus: Path, text_file: Write, tmp_path: Path) -> None:
    """What csv says is what comes out, unchanged, from csv, jsonl, parquet and a pickled frame."""
    import pandas as pd

    path = corpus / "annotations/odd_captions/results_2M_odd.csv"
    with path.open(newline="", encoding="utf-8") as file:
        given = {row["videoid"]: row["name"] for row in csv.DictReader(file)}
    frame = pd.DataFrame({"video_id": list(given), "text": list(given.values())})
    frame.to_pickle(tmp_path / "odd.pkl")
    frame.to_parquet(tmp_path / "odd.parquet")
    lines = (json.dumps({"video_id": video, "text": text}) + "\n" for video, text in given.items())
    jsonl, split = text_file("odd.jsonl", "".join(lines)), text_file("odd.json", json.dumps({"train": given}))
    id_map = text_file("map.json", json.dumps(dict.fromkeys(given, "videos/coffee_pour.mp4")))
    for form in (path, jsonl, split, tmp_path / "odd.pkl", tmp_path / "odd.parquet"):
        rows = list(webvid.rows(form, corpus, id_map))
        kept = {row.meta["id"]: row.records[0]["caption"] for row in rows if isinstance(row, Row)}
        assert kept == {video: text for video, text in given.items() if text.strip()}, form.name
        assert len(rows) == len(given)
