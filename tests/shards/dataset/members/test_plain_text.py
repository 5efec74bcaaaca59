"""A txt is a caption in whatever encoding it is written."""

from __future__ import annotations

import pytest

from shards.dataset.members.plain_text import TextError, is_text, is_whole
from shards.dataset.members.records import parse_texts


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a cat", True), (" \u200b", False), ("", False), ("\ud800", False), (3, False), ("…", True)],
)
def test_a_text_has_something_to_see_in_whole_characters(value: object, expected: bool) -> None:
    assert is_text(value) == expected
    assert is_whole("中文") and not is_whole("a\udfff")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_txt_is_read_in_the_encoding_that_its_first_bytes_say(encoding: str) -> None:
    assert parse_texts(None, "café 中文\n".encode(encoding)).records == [{"caption": "café 中文"}]
    for order in ("-le", "-be"):
        if encoding in ("utf-16", "utf-32"):
            assert parse_texts(None, ("\ufeff中文").encode(encoding + order)).records == [{"caption": "中文"}]
            assert parse_texts(None, "a cat".encode(encoding + order)).records == [{"caption": "a cat"}]


@pytest.mark.parametrize("txt", ["café".encode("latin-1"), "中文".encode("gbk"), b"a\0b", b"\xff\xfea"])
def test_a_txt_that_is_no_text_is_refused_with_the_remedy(txt: bytes) -> None:
    with pytest.raises(TextError, match="convert it"):
        parse_texts(None, txt)
