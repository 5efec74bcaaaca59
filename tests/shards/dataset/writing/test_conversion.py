"""What is found where a conversion would go: the same one finished, another one, or shards that were changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import DatasetError
from shards.dataset.writing.conversion import AlreadyFinished, WriteSummary
from shards.dataset.writing.writer import DatasetWriter
from tests.shards.dataset.writing.small_conversion import FACTS, PROVENANCE, contents, convert


def convert_two(folder: Path, **changes: Any) -> WriteSummary:
    """A finished conversion of two samples and a quarantined row."""
    options = {"provenance": {"media": "/a", "limit": None}, "samples_per_shard": 1, **changes}
    with DatasetWriter(folder, "toy", **options) as writer:
        for key in ("a", "b"):
            writer.write(key, b"x", "mp4", [{"caption": key}] * 2, {}, FACTS)
        writer.quarantine("line 3", "broken")
        return writer.close()


def test_the_same_conversion_once_finished_has_nothing_to_do_and_tells_its_accounts(tmp_path: Path) -> None:
    summary = convert_two(tmp_path)
    (tmp_path / "unfinished").mkdir()  # killed before it was cleared away
    (tmp_path / "unfinished/000000.parquet").write_bytes(b"")
    with pytest.raises(AlreadyFinished, match="holds a finished dataset already, made in the same way") as caught:
        convert_two(tmp_path)
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
    convert_two(tmp_path)
    with pytest.raises(DatasetError, match=f"delete it to build it again .it was made with {difference}") as caught:
        convert_two(tmp_path, provenance=provenance)
    assert not isinstance(caught.value, AlreadyFinished)


def test_a_finished_dataset_that_lost_a_file_is_not_called_done(tmp_path: Path) -> None:
    convert_two(tmp_path)
    (tmp_path / "000001.tar").unlink()
    with pytest.raises(DatasetError, match=r"finished, but 1 of its files are missing \(000001\.tar, "):
        convert_two(tmp_path)


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key_frames": True}, "with key_frames = None, this one has True"),
        ({"samples_per_shard": 11}, "samples_per_shard = 10, this one has 11"),
        ({"provenance": {**PROVENANCE, "tool": 2}}, r"provenance\.tool = 1, this one has 2"),
        ({"provenance": {"tool": 1}}, r"provenance\.annotations\.file = 'a\.json', this one has none"),
    ],
)
def test_a_resume_with_other_inputs_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    writer = DatasetWriter(tmp_path / "toy", "toy", 10, 20_000, PROVENANCE)
    writer.abort()
    with pytest.raises(DatasetError, match=message):
        convert(tmp_path / "toy", **changes)


def test_a_resume_over_a_lost_or_changed_shard_is_refused(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> Path:
        writer = DatasetWriter(folder, "toy", samples_per_shard=1)
        for key in ("a", "b"):
            writer.write(key, b"x", "mp4", [{"caption": ""}], {}, FACTS)
        writer.abort()
        return folder

    folder = interrupted(tmp_path / "lost")
    (folder / "000000.tar").unlink()
    with pytest.raises(DatasetError, match=r"000000\.tar: should have 10240 bytes, is missing"):
        DatasetWriter(folder, "toy", samples_per_shard=1)
    folder = interrupted(tmp_path / "short")
    (folder / "000001.tar").write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"000001\.tar: should have 10240 bytes, has 1"):
        DatasetWriter(folder, "toy", samples_per_shard=1)
    folder = interrupted(tmp_path / "changed")
    data = bytearray((folder / "000001.tar").read_bytes())
    data[512 * 3] ^= 1
    (folder / "000001.tar").write_bytes(data)
    with pytest.raises(DatasetError, match=r"000001\.tar: .*was changed since it was written \(checksum \w{32}, not"):
        DatasetWriter(folder, "toy", samples_per_shard=1)
    folder = interrupted(tmp_path / "gap")
    (folder / "unfinished" / "000000.parquet").unlink()
    with pytest.raises(DatasetError, match=r"unfinished: files are missing among \[1\]; delete"):
        DatasetWriter(folder, "toy", samples_per_shard=1)


def test_tars_of_someone_else_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"holds 1 tar files \(x\.tar"):
        DatasetWriter(tmp_path, "toy")
    assert contents(tmp_path) == {"x.tar": b""} and not (tmp_path / "unfinished").exists()
