"""Text records of a sample: ours, and those of tars made elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shards.dataset.index.rows import MemberRow
from shards.dataset.members.plain_text import TextError
from shards.dataset.members.records import Texts
from shards.dataset.members.texts import read_texts
from shards.storage.local import LocalSource
from shards.storage.open import open_source
from shards.storage.source import Range


def records(folder: Path, **texts: bytes) -> list[dict[str, Any]]:
    (folder / "a.tar").write_bytes(b"".join(texts.values()))
    members, offset = [], 0
    for ext, data in texts.items():
        members.append(MemberRow(ext, offset, len(data), None))
        offset += len(data)
    return read(folder, members)


def read(folder: Path, members: list[MemberRow]) -> list[dict[str, Any]]:
    (texts,) = read_texts(open_source(folder), "a.tar", [members])
    if isinstance(texts, TextError):
        raise texts
    return texts.records


def test_our_records_come_as_they_are(tmp_path: Path) -> None:
    own = {"records": [{"caption": "a"}, {"question": "q", "answer": "b"}], "source": 1}
    assert records(tmp_path, mp4=b"media", json=json.dumps(own).encode()) == own["records"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"json": b'{"caption": "from json", "url": "u"}', "txt": b"from txt"}, {"caption": "from json", "url": "u"}),
        ({"json": b'{"url": "u"}', "txt": b" from txt\n"}, {"url": "u", "caption": "from txt"}),
        ({"json": b'{"caption": null}', "txt": b"from txt"}, {"caption": "from txt"}),
        ({"txt": "\ufeffgröße".encode()}, {"caption": "größe"}),
    ],
)
def test_foreign_samples_have_one_record(tmp_path: Path, texts: dict[str, bytes], expected: dict[str, str]) -> None:
    assert records(tmp_path, **texts) == [expected]


def test_a_sample_without_text_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="has no text"):
        records(tmp_path, jpg=b"x")


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"json": b"{"}, "json cannot be read"),
        ({"json": b"[" * 100_000}, "json cannot be read"),
        ({"json": b"[1]"}, "json should be an object .* it is a list"),
        ({"json": b'{"records": [1]}'}, "a list of objects under 'records'"),
        ({"json": b'{"records": {}}'}, "a list of objects under 'records'"),
        ({"json": b'{"records": [{"score": NaN}]}'}, "NaN is no json"),
        ({"txt": b"\xff\xff"}, "txt is not utf-8"),
    ],
)
def test_bad_text_is_told_with_the_reason(tmp_path: Path, texts: dict[str, bytes], reason: str) -> None:
    with pytest.raises(TextError, match=reason):
        records(tmp_path, **texts)


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (("json", 0, 1 << 40), "has 1099511627776 bytes at 0, the limit is"),
        (("json", -1, 1), "has 1 bytes at -1"),
        (("txt", 2, 9), "should be bytes 2 to 11, the shard ends after 4"),
    ],
)
def test_byte_ranges_are_bounded(tmp_path: Path, member: tuple[str, int, int], reason: str) -> None:
    (tmp_path / "a.tar").write_bytes(b"1234")
    with pytest.raises(TextError, match=reason):
        read(tmp_path, [MemberRow(*member, None)])


def test_the_texts_of_many_samples_come_in_one_read(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b'{"caption": "a"}b{')
    samples = [
        [MemberRow("mp4", 0, 1, None), MemberRow("json", 0, 16, None)],
        [MemberRow("mp4", 0, 1, None)],
        [MemberRow("txt", 16, 1, None)],
        [MemberRow("json", 17, 1, None)],
    ]

    class Counting(LocalSource):
        reads = 0

        def read_many(self, ranges: Sequence[Range]) -> list[bytes]:
            self.reads += 1
            return super().read_many(ranges)

    source = Counting(str(tmp_path))
    first, nothing, third, damaged = read_texts(source, "a.tar", samples)
    assert source.reads == 1 and isinstance(first, Texts) and isinstance(third, Texts)
    assert (first.records, third.records) == ([{"caption": "a"}], [{"caption": "b"}])
    assert "has no text" in str(nothing) and "json cannot be read" in str(damaged)
