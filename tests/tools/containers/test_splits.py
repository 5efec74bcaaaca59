"""The folder of a split is found by the index in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.containers.splits import split_folder
from tools.rows import OptionError


def test_the_folder_itself_goes_first_and_splits_are_found_by_their_names(tmp_path: Path) -> None:
    for name in ("train", "validation"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.json").touch()
    assert split_folder(tmp_path, "index.json", "val") == tmp_path / "validation"
    assert split_folder(tmp_path / "train", "index.json", None) == tmp_path / "train"
    with pytest.raises(OptionError, match=r"holds the splits train, validation; say which with --split"):
        split_folder(tmp_path, "index.json", None)
    with pytest.raises(OptionError, match=r"--split val is for folders of several splits"):
        split_folder(tmp_path / "train", "index.json", "val")
