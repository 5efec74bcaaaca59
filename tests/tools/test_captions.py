"""Captions: the forms of their files, times in seconds, paragraphs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.captions import Caption, caption_entries, read_caption, read_segment, whole_text, whole_value
from tools.record import BadLine, Record
from tools.rows import BadRow, OptionError

Write = Callable[[str, str | bytes], Path]


@pytest.mark.parametrize(
    ("name", "content", "split", "places"),
    [
        ("a.csv", "video,caption\nv,one\nv,two\n", None, ["line 2", "line 3"]),
        ("a.jsonl", '{"video": "v", "caption": ["one", "two"]}\n', None, ["line 1 caption 1", "line 1 caption 2"]),
        (
            "a.json",
            '[{"video": "v", "caption": "one"}, {"video": "v", "sentence": "two"}]',
            None,
            ["entry 1", "entry 2"],
        ),
        (
            "a.json",
            '{"0": {"video": "v", "caption": "one"}, "1": {"video": "v", "caption": "two"}}',
            None,
            ["entry '0'", "entry '1'"],
        ),
        (
            "a.json",
            '{"train": [], "val": [{"video": "v", "caption": ["one", "two"]}]}',
            "val",
            ["val entry 1 caption 1", "val entry 1 caption 2"],
        ),
    ],
)
def test_every_form_gives_the_same_captions(
    text_file: Write, name: str, content: str, split: str | None, places: list[str]
) -> None:
    path = text_file(name, content)
    records = list(caption_entries(path, whole_value(path), ("video",), split))
    assert [record.place for record in records if isinstance(record, Record)] == places
    captions = [read_caption(record, ("video",)) for record in records if isinstance(record, Record)]
    assert captions == [Caption("v", "one"), Caption("v", "two")]


def test_an_entry_that_is_no_object_is_refused_alone(text_file: Write) -> None:
    path = text_file("a.json", '[3, {"video": "v", "caption": "c"}]')
    bad, good = caption_entries(path, whole_value(path), ("video",), None)
    assert bad == BadRow(
        "entry 1", "malformed line: a.json entry 1: expected an object with a caption, found int"
    ) and isinstance(good, Record)


def test_a_text_that_cannot_be_used_says_why() -> None:
    assert [Caption("v", text).flaw() for text in ("a", " ", None, 3)] == [
        "",
        "caption empty",
        "caption empty",
        "caption not a text but int '3'",
    ]
    assert Caption("v", "a", {"id": "1", "start": 2.0}).record() == {"caption": "a", "id": "1", "start": 2.0}


def test_times_are_seconds() -> None:
    record = Record("line 2", {"video": "v", "text": "a", "start": "0.5", "end": 2})
    assert read_segment(record, ("video",)) == Caption("v", "a", {"start": 0.5, "end": 2.0})


@pytest.mark.parametrize(("start", "end"), [(3, 2), (-1, 2), ("x", 2), (None, 2), (0, "inf"), ("nan", 1), (True, 2)])
def test_other_times_are_refused(start: Any, end: Any) -> None:
    record = Record("line 2", {"video": "v", "text": "a", "start": start, "end": end})
    with pytest.raises(BadLine, match=r"expected start and end in seconds, 0 <= start <= end, found .* correct them"):
        read_segment(record, ("video",))


def test_a_paragraph_is_the_captions_in_their_order() -> None:
    records = [{"caption": "One. ", "start": 0.0}, {"caption": " Two.", "start": 1.0}]
    assert whole_text("paragraph")(records) == ({"caption": "One. Two.", "segments": records},)
    assert whole_text("segments")(records) == tuple(records)
    with pytest.raises(OptionError, match=r"--text 'words' is unknown; choose one of paragraph, segments"):
        whole_text("words")
