"""Samples that a WebDataset reader would not give back as they are get refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base.errors import SampleRefused
from shards.dataset.writing.writer import DatasetWriter
from shards.read.reader import Reader
from tests.shards.dataset.writing.small_conversion import FACTS


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "is empty"),
        ("a.b", "has a dot"),
        ("../a", "not a plain relative path"),
        ("a/../b", "not a plain relative path"),
        ("/a", "not a plain relative path"),
        ("a//b", "not a plain relative path"),
        ("a/", "not a plain relative path"),
        ("a\\b", "not a plain relative path"),
        ("a\0b", "do not print"),
        ("a\nb", "do not print"),
        ("a\udc80", "do not print"),
        ("_a", "starts with an underscore"),
        ("x" * 100, "the name has 105 bytes, a tar allows 100"),
        ("ü" * 49, "the name has 103 bytes"),
    ],
)
def test_bad_keys_are_refused_and_do_not_count(tmp_path: Path, key: str, why: str) -> None:
    with DatasetWriter(tmp_path / "toy", "toy") as writer:
        with pytest.raises(SampleRefused, match=why):
            writer.write(key, b"x", "mp4", [{"caption": ""}], {}, FACTS)
        assert writer.rows_done == 0


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        ({"records": []}, "needs a list of one or more records"),
        ({"records": ["caption"]}, "needs a list of one or more records"),
        ({"records": [{"caption": float("nan")}]}, "cannot be written as json"),
        ({"records": [{"caption": b"bytes"}]}, "cannot be written as json"),
        ({"records": [{"caption": "\ud800"}]}, "cannot be written as json"),
        ({"meta": {"records": 1}}, "which is taken"),
        ({"ext": "exe"}, "extension 'exe' is unknown"),
        ({"ext": "MP4"}, "extension 'MP4' is unknown"),
        ({"ext": "json"}, "the medium itself is called json"),
        ({"media": b""}, "mp4 has 0 bytes"),
    ],
)
def test_bad_samples_are_refused(tmp_path: Path, sample: dict[str, object], why: str) -> None:
    good = {"media": b"x", "ext": "mp4", "records": [{"caption": ""}], "meta": {}, "facts": FACTS}
    with DatasetWriter(tmp_path / "toy", "toy") as writer, pytest.raises(SampleRefused, match=why):
        writer.write("k", **{**good, **sample})  # type: ignore[arg-type]


def test_keys_of_folders_and_other_alphabets_are_kept(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "toy", "toy") as writer:
        for key in ("a/b", "видео", "a b'&%"):
            writer.write(key, b"x", "mp4", [{"caption": ""}], {}, FACTS)
    reader = Reader("toy", str(tmp_path / "toy"))
    assert [reader.origin(0, i).key for i in range(3)] == ["a/b", "видео", "a b'&%"]
