"""Small side tables for tests, written as our tools write them or as a user does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shards.dataset.index.index import Index
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from shards.storage.open import open_source
from tests.shards.small_dataset import encode, write_dataset

NUM, RECORDS = 23, (2, 1, 3)


def write_toy(folder: Path, num: int = NUM) -> Path:
    """Sample i of `num`, five in a shard, is gray i and has RECORDS[i % 3] captions toy-i-r."""
    return write_dataset(folder, "toy", num, RECORDS)


def open_index(folder: Path) -> Index:
    return Index.open(open_source(str(folder)))


def samples_of(folder: Path) -> list[tuple[str, str]]:
    """(shard, key) of every sample of a dataset, in order."""
    index = open_index(folder)
    return [(name, key) for shard, name in enumerate(index.shards.names) for key in index.rows(shard).keys]


def side_of(folder: Path) -> dict[str, str]:
    """The metadata of a table that our tools make from a dataset."""
    index = open_index(folder)
    return {"dataset": index.dataset["name"], "fingerprint": index.fingerprint}


def write_side(
    file: Path,
    samples: Sequence[tuple[str, str]],
    of: dict[str, str] | None = None,
    group_rows: int = 7,
    by_key: bool = False,
    **columns: Sequence[Any] | pa.Array,
) -> Path:
    """samples: (shard, key) of each row. of: its metadata, None for a user's own table. by_key: without shards."""
    names = {"shard": pa.array([shard for shard, _ in samples], pa.string())} if not by_key else {}
    names["key"] = pa.array([key for _, key in samples], pa.string())
    table = pa.table({**names, **{name: pa.array(values) for name, values in columns.items()}})
    if of is not None:
        table = table.replace_schema_metadata({"side_of": json.dumps(of)})
    pq.write_table(table, file, compression="zstd", row_group_size=group_rows)
    return file


def one(toy: Path, **fields: Any) -> DatasetConfig:
    """The config of a dataset of `write_toy`."""
    return DatasetConfig(name="toy", path=str(toy), **fields)


def loader_of(dataset: DatasetConfig, **fields: Any) -> Loader:
    """The only rank's loader of a dataset."""
    given: dict[str, Any] = {"batch_size": 8, "streams": 4, "window": 6} | fields
    return Loader(LoaderConfig(blend=(dataset,), **given), 0, 1, encode)
