"""A byte range is asked for by its header, and an answer to it is what was asked for or refused."""

from __future__ import annotations

import pytest

from shards.storage.stores.byte_range import ByteRange
from shards.storage.stores.request_failed import RequestFailed


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
    assert ByteRange(*asked).check_answer(content_range, content_length) == expected


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
    with pytest.raises(RequestFailed, match=reason):
        ByteRange(*asked).check_answer(content_range, content_length)


@pytest.mark.parametrize(
    ("asked", "header"),
    [
        ((0, None), None),
        ((5, None), "bytes=5-"),
        ((-5, None), "bytes=-5"),
        ((0, 1), "bytes=0-0"),
        ((2, 3), "bytes=2-4"),
    ],
)
def test_the_header_of_a_request(asked: tuple[int, int | None], header: str | None) -> None:
    assert ByteRange(*asked).header == header
