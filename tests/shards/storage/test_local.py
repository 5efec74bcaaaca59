"""A local folder: many files are read with few kept open, and what is missing is named."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shards.base.errors import MissingFile
from shards.storage.open import open_source


def test_more_files_than_are_kept_open(tmp_path: Path) -> None:
    for i in range(300):
        (tmp_path / f"{i}").write_bytes(b"%d" % i)
    before = len(os.listdir("/proc/self/fd"))
    source = open_source(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda i: source.read(str(i % 300)), range(900))) == [
            b"%d" % (i % 300) for i in range(900)
        ]
    assert len(os.listdir("/proc/self/fd")) - before < 150


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="nowhere: not found"):
        open_source(tmp_path / "nowhere").list()
