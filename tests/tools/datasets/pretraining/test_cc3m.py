"""CC3M rows from the tsv, the json list and VIOLET's images, and a named reason for every row that gives none."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.datasets.pretraining import cc3m
from tools.rows import AnnotationError, BadRow, Row

Write = Callable[[str, str | bytes], Path]
JPEG = b"\xff\xd8\xff\xe0 and so on"


@pytest.fixture
def media(tmp_path: Path) -> Path:
    for name in ("images/a.jpg", "000000001.jpg", "00000/000000002.png", "00000003.webp", "named.jpg"):
        path = tmp_path / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "media"


@pytest.mark.parametrize("header", ["", "caption\turl\n"])
def test_tsv_pictures_are_found_by_path_row_number_and_name(text_file: Write, media: Path, header: str) -> None:
    path = text_file(
        "t.tsv",
        header
        + 'a "quote\timages/a.jpg\nb\thttp://h/1.jpg\nc\thttp://h/2.jpg\nd\thttp://h/3\ne\thttp://h/x/named.jpg?s=1\n',
    )
    rows = [row for row in cc3m.rows(path, media) if isinstance(row, Row)]
    first = 2 if header else 1
    assert [row.record_id for row in rows] == [f"line {n}" for n in range(first, first + 5)]
    assert [row.key for row in rows] == [f"{n:09d}" for n in range(5)]
    assert [str(row.media_path)[len(str(media)) + 1 :] for row in rows] == [
        "images/a.jpg",
        "000000001.jpg",
        "00000/000000002.png",
        "00000003.webp",
        "named.jpg",
    ]
    assert rows[0].records == ({"caption": 'a "quote'},)
    assert rows[4].meta == {"id": "http://h/x/named.jpg?s=1"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "only a caption",
            "malformed line: t.tsv line 2: expected caption, tab, url; found 1 field(s): ['only a caption']",
        ),
        (
            "a\tb\tc",
            "malformed line: t.tsv line 2: expected caption, tab, url; found 3 field(s): ['a', 'b', 'c']; correct",
        ),
        ("a\t ", "malformed line: t.tsv line 2: expected caption, tab, url; found 2 field(s)"),
        ("", "malformed line: t.tsv line 2: expected caption, tab, url; found 1 field(s): ['']"),
        (
            " \timages/a.jpg",
            "no usable text: t.tsv line 2: no usable caption for 'images/a.jpg' (caption 1 of 1: empty)",
        ),
        ("a\tnone.jpg", "media not found: t.tsv line 2: no file under MEDIA for none.jpg; check --media, or"),
        ("a\t../secret.jpg", "media not found: t.tsv line 2: the path '../secret.jpg' leads upwards; give paths under"),
    ],
)
def test_a_bad_line_says_file_line_reason_and_remedy(text_file: Write, media: Path, line: str, reason: str) -> None:
    path = text_file("t.tsv", f"a\timages/a.jpg\n{line}\nc\timages/a.jpg\n")
    good, bad, last = cc3m.rows(path, media)
    assert isinstance(bad, BadRow) and bad.record_id == "line 2"
    assert bad.reason.startswith(reason.replace("MEDIA", str(media))), bad.reason
    assert isinstance(good, Row) and isinstance(last, Row) and last.key == "000000002"


def test_two_urls_that_end_in_one_file_name_are_not_both_given_that_file(text_file: Write, media: Path) -> None:
    path = text_file("t.tsv", "a\thttp://one/named.jpg\nb\thttp://two/named.jpg\n")
    (media / "000000001.jpg").unlink()
    first, second = cc3m.rows(path, media)
    assert isinstance(first, Row)
    assert (
        isinstance(second, BadRow) and "'named.jpg' fits 'http://two/named.jpg' and an earlier row's" in second.reason
    )


def test_json_list_takes_texts_and_lists_and_finds_moved_absolute_paths(text_file: Write, media: Path) -> None:
    entries = [
        {"image": "/old/place/images/a.jpg", "caption": ["one", "", "two"]},
        {"image": f"{media}/named.jpg", "caption": "three"},
        {"image": "named.jpg"},
        {"image": "named.jpg", "caption": []},
        "named.jpg",
    ]
    first, second, lacking, empty, text = cc3m.rows(text_file("cc3m.json", json.dumps(entries)), media)
    assert isinstance(first, Row) and isinstance(second, Row)
    assert first.records == ({"caption": "one"}, {"caption": "two"}) and first.media_path == media / "images/a.jpg"
    assert first.dropped == ("entry 1: caption 2 of 3: empty",)
    assert (second.key, second.records, second.media_path) == (
        "000000001",
        ({"caption": "three"},),
        media / "named.jpg",
    )
    assert lacking == BadRow(
        "entry 3",
        'malformed line: cc3m.json entry 3: expected {"image": path, "caption": text or list}, found '
        "{'image': 'named.jpg'}; correct it",
    )
    assert isinstance(empty, BadRow) and "entry 4: no usable caption for 'named.jpg' (empty list)" in empty.reason
    assert isinstance(text, BadRow) and "entry 5: expected" in text.reason


def test_violet_images_are_joined_with_their_texts_and_both_sides_accounted_for(text_file: Write, media: Path) -> None:
    texts = text_file("txt.json", '{"val": {"1": ["one"], "2": ["two"], "3": ["three"], "4": [""], "5": ["five"]}}')
    encoded = base64.b64encode(JPEG).decode()
    lines = [f"1\t{encoded}", "2\t@@@", "3\tAAAA", f"4\t{encoded}", f"9\t{encoded}", "one field"]
    images = text_file("img.tsv", "\n".join(lines) + "\n")
    good, *bad = cc3m.rows(texts, images, "val")
    assert good == Row("line 1", "1", ({"caption": "one"},), {"id": "1"}, media=JPEG, ext="jpg")
    reasons = [row.reason for row in bad if isinstance(row, BadRow)]
    assert reasons[0].startswith("unusable media: img.tsv line 2: id '2': not base64 (")
    assert reasons[1] == (
        "unusable media: img.tsv line 3: id '3': no picture that is read here (nothing but zero "
        "bytes; the download or copy stopped: fetch it again)"
    )
    assert reasons[2].startswith(
        "no usable text: img.tsv line 4: no usable caption for id '4' in txt.json (caption 1 of 1"
    )
    assert reasons[3].startswith("no usable text: img.tsv line 5: id '9' has no caption in txt.json; check --split")
    assert (
        reasons[4] == "malformed line: img.tsv line 6: expected id, tab, base64; found 1 field(s); fetch the file again"
    )
    assert reasons[5] == (
        f"media not found: txt.json id '5': no picture with this id in {images}; give the images of this split"
    )
    assert len(reasons) == 6


def test_forms_that_do_not_fit_are_refused(text_file: Write, media: Path) -> None:
    with pytest.raises(AnnotationError, match=r"a\.csv: cannot tell the form from \.csv; give Google's \.tsv"):
        cc3m.rows(text_file("a.csv", "x"), media)
    with pytest.raises(AnnotationError, match=r"--split is for VIOLET's json"):
        cc3m.rows(text_file("a.tsv", "x"), media, "val")
    with pytest.raises(AnnotationError, match=r"a\.json: expected a list"):
        cc3m.rows(text_file("a.json", "3"), media)
    violet = text_file("v.json", '{"val": {}}')
    with pytest.raises(AnnotationError, match="is a folder"):
        cc3m.rows(violet, media)
    with pytest.raises(AnnotationError, match=r"named\.jpg: VIOLET's json goes with its images: --media IMAGES\.tsv"):
        cc3m.rows(violet, media / "named.jpg")


def test_the_samples_in_both_forms(samples: Path) -> None:
    lines = list(cc3m.rows(samples / "cc3m/Train_GCC-training.tsv", samples))
    entries = list(cc3m.rows(samples / "cc3m/cc3m.json", samples))
    assert len(lines) == len(entries) == 24
    for line, entry in zip(lines, entries, strict=True):
        assert isinstance(line, Row) and isinstance(entry, Row)
        assert (line.key, line.media_path) == (entry.key, entry.media_path)
        assert len(entry.records) == 2 and line.records[0] in entry.records


def test_every_picture_of_the_corpus_is_found(corpus: Path) -> None:
    rows = list(cc3m.rows(corpus / "annotations/cc3m_like/Train_GCC-training.tsv", corpus))
    assert len(rows) == 431 and all(isinstance(row, Row) for row in rows)


def test_published_violet_pictures_decode(published: Path) -> None:
    texts, images = published / "cc3m/violet_txt_cc3m.json", published / "cc3m/violet_img_cc3m_val.tsv"
    rows = list(cc3m.rows(texts, images, "val"))
    assert len(rows) == 50
    assert all(isinstance(row, Row) and row.ext == "jpg" and row.media for row in rows)
    of_train = [row.reason for row in cc3m.rows(texts, images, "train") if isinstance(row, BadRow)]
    assert len(of_train) == 50 + 400 and sum("no picture with this id" in reason for reason in of_train) == 400
