"""WebVid rows from every form of its annotations, and a named reason for every row that gives none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tools.datasets.pretraining import webvid
from tools.rows import AnnotationError, BadRow, Row

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def media(tmp_path: Path) -> Path:
    for name in ("000001_000050/1.mp4", "2.webm", "videos/three.mp4", "4.mp4"):
        path = tmp_path / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "media"


def test_csv_rows_carry_caption_key_meta_and_path(text_file: Write, media: Path) -> None:
    path = text_file(
        "results_2M_train.csv",
        "videoid,contentUrl,duration,page_dir,name\n"
        '1,https://host/1.mp4,PT00H00M17S,000001_000050,"a caption, with ""quotes""\nand a second line"\n'
        "2,https://host/2.mp4,PT00H00M01S,,tab\there\n"
        "3,videos/three.mp4,,000001_000050,ein schöner Tag 🚲\n",
    )
    first, second, third = webvid.rows(path, media)
    assert first == Row(
        "line 2",
        "1",
        ({"caption": 'a caption, with "quotes"\nand a second line'},),
        {"id": "1", "page_dir": "000001_000050", "url": "https://host/1.mp4", "duration": "PT00H00M17S"},
        media / "000001_000050/1.mp4",
    )
    assert isinstance(second, Row) and isinstance(third, Row)
    assert (second.record_id, second.media_path, second.meta["id"]) == ("line 4", media / "2.webm", "2")
    assert second.records == ({"caption": "tab\there"},) and "page_dir" not in second.meta
    assert (third.record_id, third.media_path) == ("line 5", media / "videos/three.mp4")
    assert third.records == ({"caption": "ein schöner Tag 🚲"},)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "pkl"])
def test_the_pickle_and_its_exports_give_the_same_rows(text_file: Write, media: Path, form: str) -> None:
    table = [
        {"video_id": "1", "text": "one", "page_dir": "000001_000050", "txt_len": 3},
        {"video_id": "2", "text": "two", "page_dir": None, "txt_len": 3},
        {"video_id": "4", "text": "four", "page_dir": "None", "txt_len": 4},
    ]
    path = media.parent / f"train.{form}"
    if form == "csv":
        path.write_text(",video_id,text,page_dir,txt_len\n0,1,one,000001_000050,3\n1,2,two,,3\n2,4,four,None,4\n")
    elif form == "jsonl":
        path.write_text("".join(json.dumps(entry) + "\n" for entry in table))
    elif form == "pkl":
        pd.DataFrame(table).to_pickle(path)
    else:
        pq.write_table(pa.Table.from_pylist(table), path)
    rows = list(webvid.rows(path, media))
    assert all(isinstance(row, Row) for row in rows), rows
    assert [(row.key, row.records, row.media_path) for row in rows if isinstance(row, Row)] == [
        ("1", ({"caption": "one"},), media / "000001_000050/1.mp4"),
        ("2", ({"caption": "two"},), media / "2.webm"),
        ("4", ({"caption": "four"},), media / "4.mp4"),
    ]


@pytest.mark.parametrize("ids", [pa.array([1, 2], pa.int64()), pa.array([1.0, 2.0], pa.float64())])
def test_ids_that_are_numbers_are_ids_all_the_same(media: Path, ids: pa.Array) -> None:
    pq.write_table(
        pa.table({"video_id": ids, "text": ["one", "two"], "page_dir": ["000001_000050", None]}), media / "t.parquet"
    )
    assert [row.key for row in webvid.rows(media / "t.parquet", media) if isinstance(row, Row)] == ["1", "2"]


def test_violet_json_gives_one_row_per_id_and_keeps_the_good_captions(text_file: Write, media: Path) -> None:
    path = text_file("txt.json", '{"train": {"4": ["a", "", "b"], "2": [" "]}, "val": {"1": ["c"]}}')
    good, bad = webvid.rows(path, media, split="train")
    assert isinstance(good, Row)
    assert good.records == ({"caption": "a"}, {"caption": "b"})
    assert good.dropped == ("id '4': caption 2 of 3: empty",)
    assert bad == BadRow(
        "id '2'",
        "no usable text: txt.json id '2': no usable caption for video '2' (caption 1 of 1: empty); write one or accept "
        "the loss",
    )
    with pytest.raises(AnnotationError, match=r"txt\.json: holds the splits train, val; say which with --split"):
        webvid.rows(path, media)


def test_t2vlps_list_gives_one_row_per_id_with_all_its_captions(text_file: Write, media: Path) -> None:
    entries: list[Any] = [
        {"video_id": 4, "caption": "a"},
        {"video_id": "2", "caption": "b"},
        {"video_id": "4", "caption": "c"},
        {"video_id": "77", "caption": "d"},
        {"caption": "e"},
        {"video_id": "1"},
        "text",
    ]
    path = text_file("frozen_train_labels.json", json.dumps(entries))
    rows = list(webvid.rows(path, media))
    good = [(row.record_id, row.key, row.records) for row in rows if isinstance(row, Row)]
    assert good == [("entry 1", "4", ({"caption": "a"}, {"caption": "c"})), ("entry 2", "2", ({"caption": "b"},))]
    reasons = [row.reason for row in rows if isinstance(row, BadRow)]
    for reason, part in zip(
        reasons,
        (
            "media not found: frozen_train_labels.json entry 4: video '77': no file under",
            "malformed line: frozen_train_labels.json entry 5: no video id",
            "no usable text: frozen_train_labels.json entry 6: no usable caption for video '1'",
            "malformed line: frozen_train_labels.json entry 7: expected an object with a caption, found str",
        ),
        strict=True,
    ):
        assert reason.startswith(part), reason
    with pytest.raises(AnnotationError, match=r"--split is for VIOLET's json"):
        webvid.rows(path, media, split="train")


@pytest.mark.parametrize(
    ("text", "found"), [("[1]", "a list without entries"), ("{}", "an empty object"), ("3", "int")]
)
def test_json_of_no_captions_is_refused(text_file: Write, media: Path, text: str, found: str) -> None:
    with pytest.raises(AnnotationError, match=rf"a\.json: expected VIOLET's .* or T2VLP's .*, found {found}; give"):
        webvid.rows(text_file("a.json", text), media)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",u,d,p,a caption", "malformed line: a.csv line 2: no video id; every row needs one"),
        (
            "1,u,d,p,",
            "no usable text: a.csv line 2: no usable caption for video '1' (caption 1 of 1: empty); write one",
        ),
        ("1,u,d,p,  ", "no usable text: a.csv line 2: no usable caption for video '1' (caption 1 of 1: empty)"),
        (
            "1,u,d,p",
            "malformed line: a.csv line 2: 4 columns, the header has 5; put quotes around a caption with commas",
        ),
        ("1,u,d,p,a, b", "malformed line: a.csv line 2: 6 columns, the header has 5; put quotes around"),
        ('1,u,d,p,"a "b" c"', "malformed line: a.csv line 2: broken csv (',' expected after '\"'); fix the quotes"),
        (
            "9,u,d,p,c",
            "media not found: a.csv line 2: video '9': no file under MEDIA for p/9.(mp4, ...) or 9.(mp4, ...) or u;",
        ),
        ("../4,u,d,p,c", "media not found: a.csv line 2: video '../4': no file under MEDIA"),
        ("9,../x.mp4,d,p,c", "media not found: a.csv line 2: video '9': the path '../x.mp4' leads upwards; give paths"),
    ],
)
def test_a_bad_row_says_file_line_reason_and_remedy(text_file: Write, media: Path, line: str, reason: str) -> None:
    path = text_file("a.csv", f"videoid,contentUrl,duration,page_dir,name\n{line}\n4,u,d,p,fine\n")
    bad, good = webvid.rows(path, media)
    assert isinstance(bad, BadRow) and bad.record_id == "line 2"
    assert bad.reason.startswith(reason.replace("MEDIA", str(media))), bad.reason
    assert isinstance(good, Row) and good.record_id == "line 3"


def test_a_caption_that_is_no_utf8_is_refused_alone(text_file: Write, media: Path) -> None:
    path = text_file("a.csv", b"videoid,name\n1,caf\xe9\n2,caf\xc3\xa9\n")
    bad, good = webvid.rows(path, media)
    assert (
        isinstance(bad, BadRow)
        and "line 2: no usable caption for video '1' (caption 1 of 1: not valid UTF-8)" in bad.reason
    )
    assert isinstance(good, Row) and good.records[0]["caption"] == "café"


def test_a_json_list_and_a_needless_split_are_refused(text_file: Write, media: Path) -> None:
    with pytest.raises(AnnotationError, match=r"a\.json: expected VIOLET's .* found a list"):
        webvid.rows(text_file("a.json", "[]"), media)
    with pytest.raises(AnnotationError, match=r"a\.csv: --split is for VIOLET's json"):
        webvid.rows(text_file("a.csv", "videoid,name\n"), media, split="val")


def test_every_clip_of_the_samples_is_found(samples: Path) -> None:
    rows = list(webvid.rows(samples / "webvid/results_2M_train.csv", samples))
    assert len(rows) == 24 and all(isinstance(row, Row) for row in rows)
    by_map = list(
        webvid.rows(samples / "webvid/results_2M_train.csv", samples, samples / "webvid/videoid_to_file.json")
    )
    assert by_map == rows


def test_odd_captions_are_kept_verbatim_or_refused_as_empty(corpus: Path) -> None:
    rows = list(webvid.rows(corpus / "annotations/odd_captions/results_2M_odd.csv", corpus))
    good = {row.key: row.records[0]["caption"] for row in rows if isinstance(row, Row)}
    bad = [row for row in rows if isinstance(row, BadRow)]
    assert [(row.record_id, row.reason.partition(":")[0]) for row in bad] == [
        ("line 2", "no usable text"),
        ("line 3", "no usable text"),
    ]
    assert len(good) == 14
    assert good["9000002"] == "a caption, with a comma"
    assert good["9000003"] == 'a "quoted" caption'
    assert good["9000004"] == "line one\nline two"
    assert good["9000005"] == "tab\there"
    assert good["9000007"] == "一个人在骑自行车"
    assert good["9000008"] == "emoji 🚲🐶 caption"
    assert good["9000013"] == "nul\\x00escaped"
    assert good["9000014"] == good["9000015"]


def test_the_corpus_in_both_column_orders(corpus: Path) -> None:
    old = list(webvid.rows(corpus / "annotations/webvid_like/results_2M_train.csv", corpus))
    new = list(webvid.rows(corpus / "annotations/webvid_like/sample_new_columns.csv", corpus / "videos"))
    assert (len(old), len(new)) == (119, 30)
    assert all(isinstance(row, Row) for row in old + new)
    captions = {row.key: row.records for row in old if isinstance(row, Row)}
    assert sum(captions.get(row.key) == row.records for row in new if isinstance(row, Row)) > 10


def test_published_files_parse_and_miss_only_their_media(published: Path, tmp_path: Path) -> None:
    csv_rows = list(webvid.rows(published / "webvid/video2dataset_test_webvid.csv", tmp_path))
    json_rows = list(webvid.rows(published / "webvid/violet_txt_webvid2.5m.json", tmp_path, split="train"))
    assert (len(csv_rows), len(json_rows)) == (20, 400)
    json_rows += webvid.rows(published / "webvid/violet_txt_webvid2.5m.json", tmp_path, split="val")
    assert len(json_rows) == 450
    assert all(isinstance(row, BadRow) and row.reason.startswith("media not found: ") for row in csv_rows + json_rows)
