"""Files of an index that are lost or damaged are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shards.small_index import refused


@pytest.fixture
def folder(tmp_path: Path, build_dataset: Callable[..., str]) -> Path:
    return Path(build_dataset(tmp_path / "toy"))


@pytest.mark.parametrize("name", ["index.parquet", "shards.parquet"])
def test_a_lost_or_damaged_file_is_named(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    refused(folder, rf"{name}.* is damaged .*build the dataset again")
    (folder / name).unlink()
    refused(folder, rf"{name}: not found.*a file was lost")
