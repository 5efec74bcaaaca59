"""Fields about the medium go to the meta where all records share them; what a record says stays in it."""

from __future__ import annotations

import json

import pytest

from shards.dataset import MemberRules, TextError
from tools.containers.samples.texts import records_and_meta


def test_fields_of_a_download_are_about_the_medium() -> None:
    about = {"caption": "a cat", "url": "http://h/1", "id": 7, "width": 3}
    records, meta = records_and_meta(json.dumps(about).encode(), b"a cat", MemberRules())
    assert records == ({"caption": "a cat"},) and meta == {"url": "http://h/1", "id_field": 7, "width": 3}


def test_records_that_differ_keep_what_differs() -> None:
    captions = [{"caption": "one", "start": 0, "who": "x"}, {"caption": "two", "start": 1, "who": "y"}]
    records, meta = records_and_meta(json.dumps({"captions": captions, "url": "u"}).encode(), None, MemberRules())
    assert records == ({"caption": "one", "start": 0, "who": "x"}, {"caption": "two", "start": 1, "who": "y"})
    assert meta == {"url": "u"}


def test_samples_of_ours_stay_as_they_are() -> None:
    content = {"records": [{"question": "q", "answer": "a", "type": "t", "id": "1"}], "id": "video7"}
    records, meta = records_and_meta(json.dumps(content).encode(), None, MemberRules())
    assert records == (content["records"][0],) and meta == {"id": "video7"}  # type: ignore[index]


def test_no_text_is_an_error() -> None:
    with pytest.raises(TextError, match="has no text"):
        records_and_meta(b'{"url": "u"}', None, MemberRules())
