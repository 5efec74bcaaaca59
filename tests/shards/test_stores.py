"""What an answer of a store means: which bytes, whether to try again, what to do."""

from __future__ import annotations

import pytest

from shards.source import SourceError
from shards.stores import Failure, expected_body, open_filesystem, shown, without_secrets


def test_an_unknown_kind_of_url_is_named_with_those_that_are_known() -> None:
    with pytest.raises(SourceError, match=r"s4://x/y: no kind of URL begins with s4://; known are s3, http, "):
        open_filesystem("s4://x/y")


def test_a_missing_package_is_named() -> None:
    with pytest.raises(SourceError, match=r"gs://x/y: gs:// needs a package that is not installed \(.*gcsfs"):
        open_filesystem("gs://x/y")


def test_what_is_shown_of_a_url() -> None:
    assert shown("https://me:pw@host:1/a/b?sig=x") == "https://host:1/a/b"
    assert shown("s3://bucket/a") == "s3://bucket/a"
    text = "403, url='https://me:pw@host/a?X-Amz-Signature=x' and \"http://b/c?d\" or http://e"
    assert without_secrets(text) == "403, url='https://host/a' and \"http://b/c\" or http://e"


@pytest.mark.parametrize(
    ("asked", "content_range", "content_length", "expected"),
    [
        ((0, None), None, 7, (7, 7)),
        ((0, None), None, None, (-1, None)),
        ((2, 3), "bytes 2-4/9", 3, (3, 9)),
        ((2, 3), "bytes 2-4/*", 3, (3, None)),
        ((7, 5), "bytes 7-8/9", 2, (2, 9)),
        ((-4, None), "bytes 5-8/9", 4, (4, 9)),
        ((-40, None), "bytes 0-8/9", 9, (9, 9)),
        ((-40, None), None, 9, (9, 9)),
        ((0, 40), None, 9, (9, 9)),
    ],
)
def test_answers_that_are_what_was_asked_for(
    asked: tuple[int, int | None], content_range: str | None, content_length: int | None, expected: object
) -> None:
    assert expected_body(*asked, content_range, content_length) == expected


@pytest.mark.parametrize(
    ("asked", "content_range", "content_length", "reason"),
    [
        ((2, 3), None, 9, "ignores byte ranges"),
        ((2, None), None, 9, "ignores byte ranges"),
        ((-4, None), None, 9, "ignores byte ranges"),
        ((0, 3), None, 9, "ignores byte ranges"),
        ((0, 3), None, None, "ignores byte ranges"),
        ((2, 3), "bytes 0-2/9", 3, "bytes 0 to 2, not from 2 on"),
        ((2, 3), "bytes 2-5/9", 4, "bytes 2 to 5"),
        ((-4, None), "bytes 0-3/9", 4, "bytes 0 to 3, not from 5 on"),
        ((2, 3), "bytes 2-3/9", 2, "gives bytes 2 to 3 only"),
        ((2, None), "bytes 2-3/9", 2, "gives bytes 2 to 3 only"),
        ((2, 3), "nonsense", 2, "answers a range with 'nonsense'"),
        ((2, 3), "bytes 4-2/9", 2, "bytes 4 to 2"),
    ],
)
def test_answers_that_are_something_else(
    asked: tuple[int, int | None], content_range: str | None, content_length: int | None, reason: str
) -> None:
    with pytest.raises(Failure, match=reason):
        expected_body(*asked, content_range, content_length)
