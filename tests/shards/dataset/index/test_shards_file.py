"""A shards.parquet that does not fit dataset.json is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shards.base.errors import DatasetError
from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.index import Index
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.shards_file import write_shards
from tests.shards.small_index import edit, refused, sample, save


@pytest.fixture
def folder(tmp_path: Path, build_dataset: Callable[..., str]) -> Path:
    return Path(build_dataset(tmp_path / "toy"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_shards": 5}, "number of shards is 4, expected 5"),
        ({"num_samples": 26}, "number of samples is 25, expected 26"),
        ({"num_elements": 1}, "number of elements is 49, expected 1"),
        ({"fingerprint": "00"}, r"the fingerprint \(against dataset.json\) is \w+, expected 00"),
        ({"num_samples": "25"}, "num_samples should be of type int, is '25'"),
    ],
)
def test_counts_that_differ_name_both_values(folder: Path, fields: dict[str, object], message: str) -> None:
    edit(folder / "dataset.json", **fields)
    refused(folder, message)


def test_shard_names_cannot_lead_elsewhere(tmp_path: Path) -> None:
    source = save(tmp_path, [[sample(0)]])
    entry = ShardEntry("../../etc/passwd", 1, 1, 0, "0" * 32)
    write_shards(str(tmp_path / "shards.parquet"), [entry])
    (tmp_path / "dataset.json").write_bytes(dataset_json("toy", [entry], 0, {}))
    with pytest.raises(DatasetError, match="is not a plain file name"):
        Index.open(source)
