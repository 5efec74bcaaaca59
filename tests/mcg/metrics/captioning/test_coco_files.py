"""Files of captions: both forms of COCO come back as written, and a fault is told with file and entry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcg.metrics.captioning.coco_files import (
    CaptionFileError,
    read_captions,
    read_predictions,
    read_references,
    write_predictions,
    write_references,
)

TEXT = st.text(max_size=20) | st.sampled_from(["a\n|||b", "\ud800", "\x1b[31m", '"', "中文 😀"])
NAME = st.text(min_size=1, max_size=5)


@settings(max_examples=30)
@given(st.dictionaries(NAME, st.lists(TEXT, min_size=1, max_size=3), min_size=1, max_size=4))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, references: dict[str, list[str]]) -> None:
    folder = tmp_path_factory.mktemp("files")
    write_references(folder / "references.json", references)
    assert read_references(folder / "references.json").texts == references
    predictions = {video: texts[0] for video, texts in references.items()}
    write_predictions(folder / "predictions.json", predictions)
    assert read_predictions(folder / "predictions.json").texts == {video: [text] for video, text in predictions.items()}
    assert read_captions(folder / "references.json").texts == references


def test_ids_are_numbers_or_texts(tmp_path: Path) -> None:
    path = tmp_path / "captions.json"
    path.write_bytes(json.dumps([{"image_id": 7, "caption": "a"}, {"image_id": "x", "caption": "b"}]).encode("utf-16"))
    assert read_predictions(path).texts == {"7": ["a"], "x": ["b"]}


def test_a_caption_has_a_place(tmp_path: Path) -> None:
    write_references(tmp_path / "r.json", {"v": ["a"], "w": ["b", "c"]})
    assert read_references(tmp_path / "r.json").place("w", 1) == f"{tmp_path / 'r.json'}: annotations[2] (video 'w')"
    write_predictions(tmp_path / "p.json", {"v": "a"})
    assert read_predictions(tmp_path / "p.json").place("v") == f"{tmp_path / 'p.json'}: [0] (video 'v')"


ROW = {"image_id": "v", "caption": "a"}
FAULTS: list[tuple[Any, str]] = [
    ({"captions": []}, "is neither a list of results .* nor an object with a list of annotations .*; it is an object"),
    ("text", "it is a text"),
    ({"annotations": {"v": "a"}}, "nor an object with a list of annotations"),
    ([], "holds no caption"),
    ({"annotations": [], "images": [{"id": "v"}]}, "holds no caption"),
    ([ROW, "a"], r"\[1\] is a text, not an object with image_id and caption"),
    ({"annotations": [ROW, {"image_id": "v"}]}, r"annotations\[1\]: caption is missing, and must be a text"),
    ([{**ROW, "caption": ["a"]}], r"\[0\]: caption is a list"),
    ([{**ROW, "caption": None}], r"\[0\]: caption is null"),
    ([{"caption": "a"}], r"\[0\]: image_id is missing, and must be a number or a text"),
    ([{**ROW, "image_id": 1.5}], r"\[0\]: image_id is 1\.5"),
    ([{**ROW, "image_id": True}], r"\[0\]: image_id is true or false"),
    ([{**ROW, "image_id": ""}], r"\[0\]: image_id is empty"),
    ({"annotations": [ROW], "images": ["v"]}, "images is a list, not a list of objects with an id"),
    ({"annotations": [ROW], "images": [{"name": "v"}]}, r"images\[0\]: id is missing"),
    (
        {"annotations": [ROW], "images": [{"id": "v"}, {"id": "w\x1b"}]},
        r"images\[1\]: video 'w\\x1b' has no caption among the annotations",
    ),
]


@pytest.mark.parametrize(("content", "reason"), FAULTS)
def test_a_fault_is_told_with_file_and_entry(tmp_path: Path, content: Any, reason: str) -> None:
    path = tmp_path / "captions.json"
    path.write_text(json.dumps(content))
    with pytest.raises(CaptionFileError, match=rf"captions\.json: .*{reason}|captions\.json: {reason}"):
        read_references(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no JSON of captions"),
        (b'[{"image_id": 1, "capt', "is no JSON of captions"),
        (b"\xff\xd8\xff\xe0", "is no JSON of captions"),
        (b"[" * 5000, "is nested more than 100 deep"),
        (b"[" + b"0," * (1 << 23) + b"0]", "holds more than 8388608 values"),
        (None, r"cannot be read \(No such file or directory\)"),
    ],
    ids=["empty", "cut", "picture", "deep", "huge", "absent"],
)
def test_what_is_no_file_of_captions_is_told(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "captions.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CaptionFileError, match=rf"captions\.json: .*{reason}|captions\.json: {reason}"):
        read_predictions(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "captions.json", "wb") as file:
        file.truncate((1 << 28) + 1)
    with pytest.raises(CaptionFileError, match="has 268435457 bytes, the limit is 268435456"):
        read_predictions(tmp_path / "captions.json")


def test_two_predictions_of_a_video_are_told_with_both_places(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps([{"image_id": 7, "caption": "a"}, ROW, {"image_id": "7", "caption": "b"}]))
    with pytest.raises(
        CaptionFileError, match=r"p\.json: \[2\] \(video '7'\) is a second .* first is \[0\] \(video '7'\)"
    ):
        read_predictions(path)
    assert read_references(path).texts["7"] == ["a", "b"]


def test_published_files_are_read(annotations: Path) -> None:
    file = read_references(annotations / "msvd_cap" / "malmm_coco_gt_cap_val.json")
    assert len(file.texts) == 100 and sum(map(len, file.texts.values())) == 4290
