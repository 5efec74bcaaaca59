"""Samples of a tar and of a folder: places, links, and sizes of texts."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from shards.dataset import MemberRules
from tests.tools.containers.given import PICTURES
from tools.containers.samples.sample_rows import SampleRows
from tools.rows import BadRow, Row


def test_links_in_a_tar_are_not_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        link = tarfile.TarInfo("a.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        for name, data in (("a.txt", b"x"), ("b.jpg", PICTURES[0]), ("b.txt", b"y")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    keys: set[str] = set()
    good, bad = SampleRows(MemberRules(), tmp_path).of_tar(tmp_path / "t.tar", "t.tar", keys)
    assert isinstance(good, Row) and good.key == "b" and keys == {"a", "b"}
    assert isinstance(bad, BadRow) and "is a symbolic link to '/etc/passwd' and has no bytes" in bad.reason


def test_keys_that_are_excluded_are_counted_and_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        for name, data in (("a.jpg", PICTURES[0]), ("a.txt", b"x"), ("b.jpg", PICTURES[0])):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    keys: set[str] = set()
    assert not list(SampleRows(MemberRules(), tmp_path).of_tar(tmp_path / "t.tar", "t.tar", keys, {"a", "b"}))
    assert keys == {"a", "b"}


def test_a_text_that_is_too_long_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.containers.samples.sample_rows.MAX_TEXT_BYTES", 3)
    (tmp_path / "a.jpg").write_bytes(PICTURES[0])
    (tmp_path / "a.txt").write_bytes(b"long")
    (bad,) = SampleRows(MemberRules(), tmp_path).of_folder(tmp_path, "", set())
    assert (
        isinstance(bad, BadRow) and bad.record_id == "sample 'a'" and "a.txt has 4 bytes, allowed are 3" in bad.reason
    )
