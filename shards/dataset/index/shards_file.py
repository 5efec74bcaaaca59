"""shards.parquet: written, and read with the check that it fits dataset.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import DatasetError
from shards.dataset.index.column_checks import ColumnError, check_table, check_types
from shards.dataset.index.files import DATASET_FILE, REBUILD, SHARDS_FILE, check_row_counts, expect
from shards.dataset.index.shard_table import ShardEntry, ShardTable, fingerprint, total_records
from shards.dataset.parquet.parquet_file import ParquetError, ParquetFile
from shards.storage.file import BytesFile
from shards.storage.source import Source, check_name

if TYPE_CHECKING:
    import pyarrow as pa


MAX_SHARDS_BYTES = 1 << 30


def write_shards(
    path: str,
    shards: Sequence[ShardEntry],
    states: Sequence[str] | None = None,
    num_quarantined: Sequence[int] | None = None,
) -> None:
    """Write shards.parquet. states and num_quarantined are optional columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    num_samples = np.array([shard.num_samples for shard in shards], np.int64)
    columns = {
        "shard": pa.array([shard.name for shard in shards], pa.string()),
        "num_samples": pa.array(num_samples),
        "num_elements": pa.array([shard.num_elements for shard in shards], pa.int64()),
        "bytes": pa.array([shard.bytes for shard in shards], pa.int64()),
        "checksum": pa.array([shard.checksum for shard in shards], pa.string()),
        "first_row": pa.array(np.cumsum(num_samples) - num_samples),
    }
    if states is not None:
        columns["state"] = pa.array(states, pa.string())
    if num_quarantined is not None:
        columns["num_quarantined"] = pa.array(num_quarantined, pa.int64())
    pq.write_table(pa.table(columns), path, compression="zstd")


def read_shards(source: Source, dataset: dict[str, Any], data: bytes) -> ShardTable:
    """Parse shards.parquet. Raises DatasetError where it is damaged or belongs to another dataset.json."""
    parquet = ParquetFile(BytesFile(data, f"{source.url}/{SHARDS_FILE}"), ("shard", "checksum", "state"))
    check_row_counts(source, SHARDS_FILE, parquet.metadata)
    try:
        check_types(parquet.schema_arrow, *_shards_types())
        table = parquet.read()
        check_table(table)
    except ColumnError as error:
        raise DatasetError(f"{source.url}/{SHARDS_FILE}: {error}; {REBUILD}") from error
    except ParquetError:
        raise
    except ValueError as error:
        raise _foreign(source, error) from error

    def numbers(name: str) -> NDArray[np.int64]:
        return np.array(table.column(name).to_numpy(), np.int64)

    names, checksums = _texts(table, "shard"), _texts(table, "checksum")
    try:
        for name in names:
            check_name(name)
    except ValueError as error:
        raise _foreign(source, error) from error
    expect(source, SHARDS_FILE, "the number of shards", len(names), dataset["num_shards"])
    shards = ShardTable(
        names=names,
        num_samples=numbers("num_samples"),
        num_elements=numbers("num_elements"),
        bytes=numbers("bytes"),
        checksums=checksums,
        first_row=numbers("first_row"),
        states=_texts(table, "state") if "state" in table.column_names else None,
        num_quarantined=numbers("num_quarantined") if "num_quarantined" in table.column_names else None,
    )
    num_samples = shards.num_samples
    expect(source, SHARDS_FILE, "the number of samples", int(num_samples.sum()), dataset["num_samples"])
    expect(source, SHARDS_FILE, "the number of elements", total_records(shards.num_elements), dataset["num_elements"])
    what = f"the fingerprint (against {DATASET_FILE})"
    expect(source, SHARDS_FILE, what, fingerprint(shards.entries()), dataset["fingerprint"])
    first = np.cumsum(num_samples) - num_samples
    if not np.array_equal(shards.first_row, first):
        expect(source, SHARDS_FILE, "first_row", shards.first_row.tolist(), first.tolist())
    return shards


def _foreign(source: Source, error: ValueError) -> DatasetError:
    return DatasetError(f"{source.url}/{SHARDS_FILE}: {error}; the file was not written by this code")


def _shards_types() -> tuple[dict[str, pa.DataType], frozenset[str]]:
    """(types of shards.parquet, columns that may be missing)."""
    import pyarrow as pa

    optional = {"state": pa.string(), "num_quarantined": pa.int64()}
    whole = dict.fromkeys(("num_samples", "num_elements", "bytes", "first_row"), pa.int64())
    return {"shard": pa.string(), "checksum": pa.string(), **whole, **optional}, frozenset(optional)


def _texts(table: pa.Table, name: str) -> list[str]:
    """A column of texts; equal texts are one object."""
    texts: list[str] = []
    for chunk in table.column(name).chunks:
        known = chunk.dictionary.to_pylist()
        texts += [known[number] for number in chunk.indices.to_pylist()]
    return texts
