"""Bytes, and a file of a source, read like a file of Python."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest

from shards.storage.file import BytesFile, SourceFile
from shards.storage.open import open_source


@pytest.mark.parametrize("kind", ["bytes", "local", "memory"])
def test_reads_like_a_file(kind: str, tmp_path: Path) -> None:
    whole = bytes(range(256)) * 4
    (tmp_path / "b.tar").write_bytes(whole)
    fsspec.filesystem("memory").pipe_file(f"/{tmp_path.name}/b.tar", whole)
    address = str(tmp_path) if kind == "local" else f"memory://{tmp_path.name}"
    file = BytesFile(whole, "b.tar") if kind == "bytes" else SourceFile(open_source(address), "b.tar")
    assert file.readable() and file.seekable() and file.name.endswith("b.tar")
    assert file.read(3) == whole[:3] and file.tell() == 3
    file.seek(-4, os.SEEK_END)
    assert file.read() == whole[-4:] and file.read(5) == b""
    file.seek(10)
    file.seek(5, os.SEEK_CUR)
    assert file.read(1) == whole[15:16]
