"""What stands in place of a file is named alike, whoever expected what."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

import pytest

from shards.dataset.tars.foreign import kind_of_file
from shards.media.pictures.first_bytes import answer, archive, compression
from shards.media.pictures.signatures import foreign_kind


def _zip() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive_of_one:
        archive_of_one.writestr("a.txt", "a")
    return made.getvalue()


PACKED = {"gzip": gzip.compress(b"x" * 2000), "bzip2": bz2.compress(b"x"), "xz": lzma.compress(b"x"), "zip": _zip()}
ANSWERS = {
    "html": b"\xef\xbb\xbf\n <!DOCTYPE HTML><html>",
    "xml": b"<?xml version='1.0'?><Error/>",
    "json": b'\n{"error": "no"}',
}


@pytest.mark.parametrize("name", PACKED)
def test_what_is_packed_is_named_where_a_tar_or_a_picture_was_meant(name: str) -> None:
    data = PACKED[name]
    assert (compression(data) or archive(data)).partition(" ")[2] == name
    picture = foreign_kind(data)
    for said in (kind_of_file(data[:512]), picture and picture.name):
        assert said and name in said


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_a_server_is_named_as_well(name: str) -> None:
    data = ANSWERS[name]
    assert answer(data) == name and not compression(data) and not archive(data)
    picture = foreign_kind(data)
    for said in (kind_of_file(data), picture and picture.name):
        assert said and name.upper() in said


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"\x89PNG\r\n\x1a\n", b"a caption", b"P"])
def test_other_bytes_say_nothing(data: bytes) -> None:
    assert (compression(data), archive(data), answer(data)) == ("", "", "")
