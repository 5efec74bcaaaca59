"""Shard sizes: a shard that is missing or has another size than the index knows stops the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shards.base.errors import DatasetError
from shards.read.reader import Reader


def test_a_missing_shard_stops_the_run(folder: Path, draw: np.random.Generator) -> None:
    (folder / "000001.tar").unlink()
    toy = Reader("toy", str(folder))
    toy.read(0, 0, draw)
    with pytest.raises(
        DatasetError, match=r"toy/000001\.tar: the index lists this shard, but it is not there; copy it again"
    ):
        toy.read(1, 0, draw)


def test_a_shard_of_another_size_stops_the_run(folder: Path, draw: np.random.Generator) -> None:
    with open(folder / "000001.tar", "ab") as file:
        file.write(b"x")
    with pytest.raises(
        DatasetError, match=r"000001\.tar: has 20481 bytes, the index expects 20480; .* copy shards and index"
    ):
        Reader("toy", str(folder)).read(1, 0, draw)
