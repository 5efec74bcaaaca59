"""An index.parquet that belongs to other files is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shards.base.errors import DatasetError
from shards.dataset.index.index import Index
from shards.storage.open import open_source
from tests.shards.small_index import refused


@pytest.fixture
def folder(tmp_path: Path, build_dataset: Callable[..., str]) -> Path:
    return Path(build_dataset(tmp_path / "toy"))


def test_an_index_of_another_build_is_refused(folder: Path, tmp_path: Path, build_dataset: Callable[..., str]) -> None:
    other = Path(build_dataset(tmp_path / "other", num_samples=30))
    (folder / "index.parquet").write_bytes((other / "index.parquet").read_bytes())
    refused(folder, r"index\.parquet: is of another version than dataset\.json beside it; .* copy them again")
    said = json.loads((folder / "dataset.json").read_text())
    del said["index_content"]  # as it was written before
    (folder / "dataset.json").write_text(json.dumps(said))
    refused(folder, r"index\.parquet: the number of rows is 30, expected 25")
    other = Path(build_dataset(tmp_path / "shifted", samples_per_shard=5))
    (folder / "index.parquet").write_bytes((other / "index.parquet").read_bytes())
    opened = Index.open(open_source(folder))
    with pytest.raises(DatasetError, match=r"index\.parquet: .* should be of shard 1, are of 1|should be of shard"):
        for shard in range(4):
            opened.rows(shard)
