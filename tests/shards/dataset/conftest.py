"""Tars of another tool."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shards.foreign_tars import img2dataset_files, write_tar


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    """Three tars of four img2dataset samples; keys repeat from tar to tar."""
    folder = tmp_path / "cc"
    for shard in range(3):
        write_tar(folder / f"{shard:05d}.tar", img2dataset_files([f"{key:09d}" for key in range(4)]))
    return folder
