"""One side table: a parquet file with values for samples, opened, checked and read a row group at a time.

It has a column `key`, perhaps `shard`, and any number of columns of values. Those that our tools write say in their
metadata which dataset they were made from (docs/side_tables.md). Promises: the file may come from anywhere: what it
says of itself is bounded and checked before it is expanded (shards/dataset/parquet). Threads may share a SideFile.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shards.base.errors import MissingFile, SideTableError, SourceError
from shards.base.json_text import load_json
from shards.base.redact import shown
from shards.dataset.parquet.parquet_file import ParquetError, ParquetFile
from shards.storage.addresses import checked, is_remote, local_path, parent
from shards.storage.file import SourceFile
from shards.storage.open import open_source

if TYPE_CHECKING:
    import pyarrow as pa

SIDE_OF = "side_of"
"""The name in the metadata of the file under which the dataset is."""
LIST_OF_TEXTS = "lists of texts"
"""The kind of a column with several texts for a sample, which only `texts` takes."""
_SHOWN = {"number": "numbers", "string": "texts", "truth": "true or false"}
_MAX_COLUMNS, _MAX_ROWS = 4096, 1 << 30
_NUM_NAMED = 20


class _SideOf(NamedTuple):
    """The dataset that a side table was made from, as its metadata says."""

    dataset: str
    fingerprint: str


class SideFile:
    """An open side table."""

    def __init__(self, path: str) -> None:
        """Raises SideTableError, and SourceError where the bytes cannot be had."""
        self.name = f"side table {shown(path)}"
        """What errors call it."""
        self._lock = threading.Lock()
        folder, name = parent(checked(path))
        if not is_remote(path) and os.path.isdir(local_path(path)):
            raise self.error("is a folder; name one parquet file, as pandas writes it without partition_cols")
        try:
            self._parquet = ParquetFile(SourceFile(open_source(folder), name), ("shard",))
        except MissingFile as error:
            raise self.error("no such file; relative paths start at the working folder") from error
        except ParquetError as error:
            raise self.error(f"is no parquet file that can be read: {error}; write it again") from error
        metadata = self._parquet.metadata
        group_rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self.num_rows = sum(group_rows)
        if min(group_rows, default=0) < 0 or self.num_rows > _MAX_ROWS:
            raise self.error(f"says that it has {self.num_rows} rows, the limit is {_MAX_ROWS}; write it again")
        self.first_rows = np.concatenate([[0], np.cumsum(group_rows, dtype=np.int64)])
        """(G + 1,) the first row of each row group, and the number of rows."""
        self.kinds = self._read_kinds()
        """The kind of each column of values: number, string, truth, LIST_OF_TEXTS, or a type that nothing takes."""
        self.has_shards = "shard" in self._parquet.schema_arrow.names
        """False if keys alone say which sample a row is of."""
        self.side_of = self._read_side_of()
        """None if the table does not say it."""

    def error(self, what: str) -> SideTableError:
        """The error for a table that is not as it should be."""
        return SideTableError(f"{self.name}: {what}")

    def columns(self) -> str:
        """The names of its columns of values, for errors."""
        names = [f"{name} ({shown_kind(kind)})" for name, kind in list(self.kinds.items())[:_NUM_NAMED]]
        return ", ".join(names) + (f" and {len(self.kinds) - _NUM_NAMED} more" if len(self.kinds) > _NUM_NAMED else "")

    def check_column(self, name: str, kinds: Sequence[str], user: str) -> None:
        """Raise SideTableError unless there is a column of this name and one of these kinds. user: who wants it."""
        kind = self.kinds.get(name)
        if kind is None:
            raise self.error(f"has no column {name!r} for {user}; it has {self.columns() or 'no column of values'}")
        if kind not in kinds:
            wanted = " or ".join(map(shown_kind, kinds))
            raise self.error(f"column {name!r} holds {shown_kind(kind)}; {user} takes {wanted}: write it so")

    def groups(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of all row groups, one after the other."""
        for group in range(len(self.first_rows) - 1):
            yield self.read(group, names)

    def read(self, group: int, names: Sequence[str]) -> pa.Table:
        """Some columns of a row group. Raises SideTableError, SourceError."""
        try:
            with self._lock:
                table = self._parquet.read_row_group(group, list(names))
        except SourceError:
            raise
        except ValueError as error:
            remedy = "write the file again, with row groups of at most 65,536 rows"
            raise self.error(f"row group {group} cannot be read: {error}; {remedy}") from error
        expected = int(self.first_rows[group + 1] - self.first_rows[group])
        if table.num_rows != expected:
            raise self.error(f"row group {group} has {table.num_rows} rows, {expected} were said; write it again")
        return table

    def _read_kinds(self) -> dict[str, str]:
        schema = self._parquet.schema_arrow
        if len(schema.names) > _MAX_COLUMNS:
            raise self.error(f"has {len(schema.names)} columns, the limit is {_MAX_COLUMNS}; write fewer")
        twice = next((name for name in schema.names if schema.names.count(name) > 1), None)
        if twice is not None:
            raise self.error(f"column {twice!r} is there twice; give one of them another name")
        if "key" not in schema.names:
            found = ", ".join(schema.names[:_NUM_NAMED]) or "none"
            raise self.error(
                f"has no column 'key', which says with 'shard' which sample a row is of; its columns: {found}; a "
                "pandas index becomes a column by reset_index()"
            )
        for name in ("key", "shard"):
            if name in schema.names and _kind_of(schema.field(name).type) != "string":
                raise self.error(f"column {name!r} holds {schema.field(name).type}; write it as texts")
        kinds = {name: _kind_of(schema.field(name).type) for name in schema.names if name not in ("key", "shard")}
        # Parquet joins names of nested columns by dots, so a column with one cannot be told from a part of another.
        return {
            name: "values under a name with a dot, which is to be renamed" if "." in name else kind
            for name, kind in kinds.items()
        }

    def _read_side_of(self) -> _SideOf | None:
        found = (self._parquet.metadata.metadata or {}).get(SIDE_OF.encode())
        if found is None:
            return None
        try:
            content = load_json(found)
            return _SideOf(_text(content["dataset"]), _text(content["fingerprint"]))
        except (ValueError, RecursionError, TypeError, KeyError) as error:
            raise self.error(
                f"its metadata {SIDE_OF!r} should be a json object with dataset and fingerprint, is {found[:80]!r}; "
                "write the table again"
            ) from error


def shown_kind(kind: str) -> str:
    """A kind of column as errors call it."""
    return _SHOWN.get(kind, kind)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _kind_of(found: pa.DataType) -> str:
    import pyarrow as pa

    is_ = pa.types
    if is_.is_dictionary(found):
        return _kind_of(found.value_type)
    if is_.is_boolean(found):
        return "truth"
    if is_.is_integer(found) or is_.is_floating(found) or is_.is_null(found):
        return "number"
    if is_.is_string(found) or is_.is_large_string(found):
        return "string"
    if (is_.is_list(found) or is_.is_large_list(found)) and _kind_of(found.value_type) == "string":
        return LIST_OF_TEXTS
    return str(found)
