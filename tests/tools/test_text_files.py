"""Text files are read in the encoding and with the line ends that they have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.annotations import about_records, load_json, table_records
from tools.rows import AnnotationError
from tools.text_files import open_text

Write = Callable[[str, str | bytes], Path]


@pytest.mark.parametrize("form", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_those_of_the_file(text_file: Write, form: str, end: str) -> None:
    text = end.join(['{"id": 1}', '{"id": "caf\u00e9"}', ""])
    path = text_file("a.jsonl", text.encode(form))
    with open_text(path) as file:
        assert file.read() == text
    assert [record.values["id"] for record in table_records(path, {})] == [1, "caf\u00e9"]  # type: ignore[union-attr]
    assert about_records(path) == 2
    assert load_json(text_file("a.json", '{"a": "caf\u00e9"}'.encode(form))) == {"a": "caf\u00e9"}


def test_bytes_that_are_no_utf_8_stay_apart(text_file: Write) -> None:
    with open_text(text_file("a.tsv", b"good\tx\nb\xe9d\ty\n")) as file:
        assert file.read() == "good\tx\nb\udce9d\ty\n"


def test_utf_16_that_is_cut_is_named(text_file: Write) -> None:
    with pytest.raises(AnnotationError, match=r"a\.csv: is UTF-16 and ends in the middle of a character; fetch it"):
        open_text(text_file("a.csv", "id,name\n".encode("utf-16")[:-1]))


def test_zeros_do_not_make_a_file_utf_16(text_file: Write) -> None:
    with open_text(text_file("a.csv", b"id,name\n1,x\n" + bytes(5000))) as file:
        assert file.readline() == "id,name\n"
