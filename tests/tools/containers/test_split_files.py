"""Files of a split are told by their names and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.containers.split_files import split_files
from tools.rows import OptionError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_numbered_files_and_folders_say_their_split(tmp_path: Path) -> None:
    touch(tmp_path, "data/train-00001-of-00002.parquet", "data/train-00000-of-00002.parquet", "test/0.parquet", "x.txt")
    found = split_files(tmp_path, ".parquet", "train")
    assert [path.name for path in found] == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    assert split_files(tmp_path, ".parquet", "test") == [tmp_path / "test/0.parquet"]
    with pytest.raises(OptionError, match=r"holds the splits test, train; say which with --split"):
        split_files(tmp_path, ".parquet", None)


def test_files_of_any_other_name_are_one_split(tmp_path: Path) -> None:
    touch(tmp_path, "b.parquet", "a.parquet", "00000.parquet")
    assert [path.name for path in split_files(tmp_path, ".parquet", None)] == [
        "00000.parquet",
        "a.parquet",
        "b.parquet",
    ]
    assert split_files(tmp_path / "a.parquet", ".parquet", None) == [tmp_path / "a.parquet"]
    with pytest.raises(OptionError, match=r"--split x is for folders of files; this is one file"):
        split_files(tmp_path / "a.parquet", ".parquet", "x")
    with pytest.raises(OptionError, match=r"holds no \.arrow files"):
        split_files(tmp_path, ".arrow", None)
    with pytest.raises(OptionError, match=r"no such file or folder"):
        split_files(tmp_path / "none", ".arrow", None)
