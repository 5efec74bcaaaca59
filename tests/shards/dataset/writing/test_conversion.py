"""What is found where a conversion would go: the same one finished, another one, or shards that were changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import DatasetError
from shards.dataset.writing.conversion import AlreadyFinished, WriteSummary
from shards.dataset.writing.writer import DatasetWriter
from shards.media.facts import MediaFacts

FACTS = MediaFacts("video", "h264", 320, 240, 75, 25.0, 3.0)


def convert(folder: Path, **changes: Any) -> WriteSummary:
    options = {"provenance": {"media": "/a", "limit": None}, "samples_per_shard": 1, **changes}
    with DatasetWriter(folder, "toy", **options) as writer:
        for key in ("a", "b"):
            writer.write(key, b"x", "mp4", [{"caption": key}] * 2, {}, FACTS)
        writer.quarantine("line 3", "broken")
        return writer.close()


def test_the_same_conversion_once_finished_has_nothing_to_do_and_tells_its_accounts(tmp_path: Path) -> None:
    summary = convert(tmp_path)
    (tmp_path / "unfinished").mkdir()  # killed before it was cleared away
    (tmp_path / "unfinished/000000.parquet").write_bytes(b"")
    with pytest.raises(AlreadyFinished, match="holds a finished dataset already, made in the same way") as caught:
        convert(tmp_path)
    assert caught.value.summary == summary and not (tmp_path / "unfinished").exists()


@pytest.mark.parametrize(
    ("provenance", "difference"),
    [
        ({"media": "/b", "limit": None}, r"provenance\.media = '/a', this one has '/b'"),
        ({"media": "/a", "limit": 3}, r"provenance\.limit = None, this one has 3"),
        ({"media": "/a", "limit": None, "profile": "x"}, r"provenance\.profile = None, this one has 'x'"),
    ],
)
def test_another_conversion_is_refused_with_what_differs(
    tmp_path: Path, provenance: dict[str, Any], difference: str
) -> None:
    convert(tmp_path)
    with pytest.raises(DatasetError, match=f"delete it to build it again .it was made with {difference}") as caught:
        convert(tmp_path, provenance=provenance)
    assert not isinstance(caught.value, AlreadyFinished)


def test_a_finished_dataset_that_lost_a_file_is_not_called_done(tmp_path: Path) -> None:
    convert(tmp_path)
    (tmp_path / "000001.tar").unlink()
    with pytest.raises(DatasetError, match=r"finished, but 1 of its files are missing \(000001\.tar, "):
        convert(tmp_path)


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "provenance.a.b = 1, this one has 2"),
        ({"a": {"b": 1}, "c": 3}, {"a": {"b": 1}}, "provenance.c = 3, this one has none"),
    ],
)
def test_a_difference_is_named_by_its_path(tmp_path: Path, before: Any, now: Any, message: str) -> None:
    DatasetWriter(tmp_path, "toy", provenance=before).abort()
    with pytest.raises(DatasetError, match=re.escape(message)):
        DatasetWriter(tmp_path, "toy", provenance=now)
    DatasetWriter(tmp_path, "toy", provenance=before).abort()
