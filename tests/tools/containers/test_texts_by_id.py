"""Texts by id in all forms, and an account of those that nobody asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.containers.texts_by_id import TextsById
from tools.rows import AnnotationError, OptionError


@pytest.mark.parametrize(
    ("name", "content", "split"),
    [
        ("a.json", json.dumps({"train": {"1": ["x", "y"]}, "val": {}}), "train"),
        ("a.json", json.dumps({"train": [{"video": "1", "caption": "x"}, {"video": 1, "caption": "y"}]}), "train"),
        ("a.json", json.dumps([{"video_id": 1, "caption": ["x", "y"]}]), None),
        ("a.json", json.dumps({"1": ["x", "y"]}), None),
        ("a.tsv", '1\t[{"caption": "x"}, {"caption": "y"}]\n', None),
        ("a.csv", "videoid,name\n1,x\n1,y\n", None),
        ("a.jsonl", '{"video": 1, "caption": "x"}\n{"video": 1, "text": "y"}\n', None),
    ],
)
def test_every_form_gives_the_captions_of_an_id(tmp_path: Path, name: str, content: str, split: str | None) -> None:
    (tmp_path / name).write_text(content)
    texts = TextsById(tmp_path / name, split)
    assert texts.captions("1") == ["x", "y"] and texts.captions("2") is None
    assert not list(texts.left(tmp_path)) and len(texts) == 1
    assert texts.none_for("2") == f"id '2' has no caption in {name}; check --split, or accept the loss"


def test_what_is_left_is_said_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"video": "1", "caption": "x"}, {"caption": "y"}, 3]))
    reasons = [row.reason for row in TextsById(tmp_path / "a.json", None).left(Path("set.tsv"))]
    assert reasons[0].startswith("malformed line: a.json entry 2: no video_id; it has caption")
    assert reasons[1].startswith("malformed line: a.json entry 3: expected an object with a caption")
    assert reasons[2].startswith("media not found: a.json entry 1: no medium with the id '1' in set.tsv; give")


def test_lines_that_are_no_captions_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('1\n2\t[\n3\t{"caption": "x"}\n4\t[{"text": "x"}]\n')
    reasons = [row.reason for row in TextsById(tmp_path / "a.tsv", None).left(tmp_path)]
    assert len(reasons) == 4
    for number, reason in enumerate(reasons, 1):
        assert reason.startswith(f'malformed line: a.tsv line {number}: expected id, tab, [{{"caption": text}}, ...]; ')


def test_a_split_must_be_one_that_the_file_has(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"1": ["x"]}))
    with pytest.raises(OptionError, match=r"--split train is for files that hold several splits"):
        TextsById(tmp_path / "a.json", "train")
    assert TextsById(tmp_path / "a.json", "train", is_split_known=True).captions("1") == ["x"]
    (tmp_path / "b.json").write_text(json.dumps({"train": {"1": ["x"]}, "val": {"2": ["y"]}}))
    with pytest.raises(OptionError, match=r"has no split 'test'"):
        TextsById(tmp_path / "b.json", "test", is_split_known=True)


@pytest.mark.parametrize("text", ["[]", "{}", "[1, 2]", '[{"a": 1}]', '[{"caption": "x"}]', "null", '"x"'])
def test_a_file_without_captions_by_id_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(
        AnnotationError, match=r"a\.json: (holds no captions by id|expected a list or object of captions)"
    ):
        TextsById(tmp_path / "a.json", None).refuse_none()
