"""The splits of a file are told from its other parts, and one is chosen by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools.json_files.splits import answers_of, pick_split, refuse_split, split_name, splits_of
from tools.rows import AnnotationError, OptionError


def test_a_split_is_chosen_by_name_or_because_it_is_the_only_one() -> None:
    path = Path("t.json")
    assert pick_split(path, {"train": {"a": []}}, None) == {"a": []}
    assert pick_split(path, {"train": {}, "val": {"b": []}}, "val") == {"b": []}
    with pytest.raises(AnnotationError, match=r"t\.json: holds the splits train, val; say which with --split"):
        pick_split(path, {"train": {}, "val": {}}, None)
    with pytest.raises(
        AnnotationError, match=r"t\.json: has no split 'test'; give one of those that it holds: train, val"
    ):
        pick_split(path, {"train": {}, "val": {}}, "test")
    with pytest.raises(AnnotationError, match=r"t\.json: val: expected an object .* found list"):
        pick_split(path, {"val": []}, None)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"train": [{"a": 1}], "val": []}, ["train", "val"]),
        ({"test": [{"a": 1}], "vocab": ["x"]}, ["test"]),
        ({"test": [{"a": 1}], "ans2label": {"x": 0}}, ["test"]),
        ({"v1": ["caption"], "v2": []}, []),
        ({"v1": [["a", "word"]]}, []),
        ({"0": {"caption": "c"}}, []),
        ({}, []),
        ([{"caption": "c"}], []),
    ],
)
def test_lists_of_records_are_splits(value: Any, names: list[str]) -> None:
    assert list(splits_of(value)) == names


def test_answers_are_listed_by_number_in_any_form() -> None:
    assert answers_of({"vocab": ["a", "b"]}) == {0: "a", 1: "b"}
    assert answers_of({"ans2label": {"a": 0, "b": 1}}) == {0: "a", 1: "b"}
    assert answers_of({"label2ans": {"0": "a", "1": "b"}}) == {0: "a", 1: "b"}
    assert answers_of({"train": []}) == answers_of([]) == {}


def test_a_split_of_a_file_without_splits_is_refused() -> None:
    refuse_split(Path("a.json"), None)
    with pytest.raises(
        OptionError, match=r"a\.json: --split val is for files that hold several splits; this one does n"
    ):
        refuse_split(Path("a.json"), "val")
    assert split_name(Path("a.json"), ["validate"], "val") == "validate"
