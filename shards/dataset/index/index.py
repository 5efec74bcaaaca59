"""The index of a dataset: three files that say what its shards hold; docs/data_format.md has every byte.

  dataset.json    format version, name, counts, fingerprint, provenance; written last (absent: unfinished)
  shards.parquet  a row per shard: name, samples, elements, bytes, checksum, first row in index.parquet
  index.parquet   a row per sample: key, byte range and checksum of each member, records, media facts

Plain parquet and json, readable with any tool. Written by `DatasetWriter` and by `python -m shards index`; the latter
may leave out what it did not look at: checksums (null), the number of records (-1), media facts (0 frames).
`Index.open` reads dataset.json, shards.parquet and the footer of index.parquet, and refuses files that do not fit each
other; rows are read a row group at a time (about 64k rows, always whole shards) when a shard is first asked for, and
the last used shards are kept. Memory is O(shards) + a bounded number of rows. Threads may share an Index. On a remote
store `Index.open` takes one round trip (two where the footer has more than 1 MiB), and `prefetch` one for the rows of
many shards.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from shards.base.errors import DatasetError, MissingFile
from shards.dataset.index.column_checks import ColumnError, check_types
from shards.dataset.index.dataset_file import MAX_DATASET_BYTES, read_dataset
from shards.dataset.index.files import DATASET_FILE, INDEX_FILE, REBUILD, SHARDS_FILE, check_row_counts, expect
from shards.dataset.index.gop_tables import GopTables
from shards.dataset.index.index_file import IndexFile
from shards.dataset.index.row_groups import RowGroups
from shards.dataset.index.schema import KEY_FRAME_COLUMNS, index_schema
from shards.dataset.index.shard_rows import ShardRows
from shards.dataset.index.shard_table import ShardTable, total_records
from shards.dataset.index.shards_file import MAX_SHARDS_BYTES, read_shards
from shards.dataset.index.write_index import CONTENT
from shards.dataset.members.rules import MemberRules, MemberSettings
from shards.dataset.parquet.parquet_file import ParquetError, ParquetFile
from shards.media.facts import KeyFrames
from shards.storage.addresses import is_remote
from shards.storage.source import Source, Stat

if TYPE_CHECKING:
    import pyarrow as pa

_TAIL_BYTES = 1 << 20
"""Fetched of index.parquet before its size is known: the footer of up to 50 million rows, or all of a small index."""
_DICTIONARIES = ("kind", "codec", "member_ext.list.element")


class Index:
    """The index of one dataset, read lazily. Made by `Index.open`."""

    rows_kept = 1 << 19
    """Most rows that are kept of the shards that were used last."""
    key_frames_kept = 1 << 22
    """Most entries of GOP tables that are kept, 16 bytes each."""

    def __init__(
        self,
        source: Source,
        shard_source: Source,
        dataset: dict[str, Any],
        rules: MemberRules,
        shards: ShardTable,
        groups: RowGroups,
    ) -> None:
        self.source = source
        self.dataset = dataset
        """The content of dataset.json."""
        self.shards = shards
        self.shard_source = shard_source
        """The folder of the shards: that of the index, or the root that dataset.json names."""
        self.verified: bool = dataset.get("verified", True)
        """True if every member and shard has its checksum."""
        self.fingerprint: str = dataset["fingerprint"]
        self.rules = rules
        """Rules that choose the members of a sample; `set_members` changes what can be changed."""
        self._groups = groups
        self._rows: OrderedDict[int, ShardRows] = OrderedDict()
        self._rows_held = 0
        self._gops: OrderedDict[int, GopTables] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def open(cls, source: Source, roots: Sequence[str] = ()) -> Index:
        """Read the small files and check that they fit each other. Raises DatasetError, or SourceError.

        roots: folders that the shards may lie in, besides that of the index and those below it
        (shards/storage/roots.py).
        """
        get_dataset, get_shards, get_stat, get_tail = _ask_for_files(source)
        dataset, shard_source, rules = read_dataset(source, get_dataset, roots)
        try:
            shards = read_shards(source, dataset, get_shards())
            found, tail = get_stat(), get_tail()
            if tail and not source.stat_many([INDEX_FILE], known=True)[0].may_be(found):
                raise DatasetError(f"{source.url}/{INDEX_FILE}: changed while it was being opened: start again")
            file = IndexFile(source, found.size, tail)
            parquet = ParquetFile(file, _DICTIONARIES)
        except MissingFile as error:
            raise DatasetError(f"{error}; {DATASET_FILE} is there, so a file was lost: {REBUILD}") from error
        except (ParquetError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{source.url}: {SHARDS_FILE} or {INDEX_FILE} is damaged ({error}); {REBUILD}"
            ) from error
        check_row_counts(source, INDEX_FILE, parquet.metadata)
        _check_fit(source, dataset, shards, parquet)
        file.forget_tail()
        return cls(source, shard_source, dataset, rules, shards, RowGroups(source, shards, parquet, file))

    def set_members(self, settings: MemberSettings) -> None:
        """Read the members that a config wants; to be called before the first rows are read. Raises ConfigError."""
        self.rules = self.rules.with_settings(settings, self.shard_source.url)

    def rows(self, shard: int) -> ShardRows:
        """The rows of a shard (0..S-1)."""
        rows = self._rows.get(shard)
        if rows is not None and self._rows_held <= self.rows_kept // 2:
            return rows  # far from having to drop any, so nobody needs to know which were used last
        with self._lock:
            rows = self._rows.get(shard)
            if rows is None:
                return self._take_in(shard)
            self._rows.move_to_end(shard)
            return rows

    def prefetch(self, shards: Iterable[int]) -> None:
        """Load the rows of several shards; from a remote store the row groups come in one round trip for every 64 MiB.

        For shards that are used next: no more rows are kept than otherwise. Does nothing where the index is local.
        """
        if not is_remote(self.source.url):
            return
        with self._lock:
            for batch, spans in self._groups.batches(sorted(set(shards) - self._rows.keys())):
                with self._groups.fetched(spans):
                    for shard in batch:
                        self._take_in(shard)

    def columns(self, shard: int, names: Sequence[str]) -> pa.Table:
        """Some columns of the rows of one shard; keeps nothing."""
        with self._lock:
            return self._groups.columns(shard, names)

    def scan(self, names: Sequence[str]) -> Iterator[tuple[int, int, pa.Table]]:
        """Some columns of all rows, a row group at a time: (first shard, shard behind the last, rows)."""
        for group, first, stop in self._groups.borders():
            with self._lock:
                table = self._groups.read(group, names)
            yield first, stop, table

    def layout_digest(self) -> str:
        """32 hexadecimal digits that tell apart two indexes of the same shards, as the fingerprint does not."""
        return self._groups.digest()

    def table(self, shard: int) -> pa.Table:
        """All columns of a shard's rows, GOP tables included, as they are in index.parquet.

        For one thread that goes through the shards in order: the last row group is kept.
        """
        return self._groups.whole(shard)

    @property
    def has_key_frames(self) -> bool:
        """True if the index has GOP tables."""
        return self._groups.has_key_frames

    def gop_table(self, shard: int, row: int) -> KeyFrames | None:
        """The GOP table of one sample, None when the index has none. Those of the last used shards are kept."""
        tables = self.gop_tables(shard)
        return None if tables is None else tables.of(row)

    def gop_tables(self, shard: int) -> GopTables | None:
        """The GOP tables of one shard, None when the index has none."""
        if not self.has_key_frames:
            return None
        with self._lock:
            tables = self._gops.pop(shard, None)
            if tables is None:
                table = self._groups.key_frames(shard)
                try:
                    tables = GopTables(table)
                except (ValueError, TypeError, LookupError, AttributeError) as error:
                    raise self._groups.damaged(f"shard {shard}: {error}") from error
            self._gops[shard] = tables
            while len(self._gops) > 1 and sum(map(len, self._gops.values())) > self.key_frames_kept:
                self._gops.popitem(last=False)
        return tables

    def _take_in(self, shard: int) -> ShardRows:
        rows = self._rows[shard] = self._load(shard)
        self._rows_held += rows.weight
        while self._rows_held > self.rows_kept and len(self._rows) > 1:
            self._rows_held -= self._rows.popitem(last=False)[1].weight
        return rows

    def _load(self, shard: int) -> ShardRows:
        table = self._groups.rows(shard)
        try:
            rows = ShardRows(table, self.verified, self.rules)
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:  # columns of any kind
            raise self._groups.damaged(f"shard {shard}: {error}") from error
        found, expected = total_records(rows.num_records), self.shards.num_elements[shard]
        if found != expected:
            raise self._groups.damaged(f"shard {shard} has {found} records, {SHARDS_FILE} says {expected}")
        return rows


def _ask_for_files(
    source: Source,
) -> tuple[Callable[[], bytes], Callable[[], bytes], Callable[[], Stat], Callable[[], bytes]]:
    """Functions that give dataset.json, shards.parquet, and size and tail of index.parquet.

    A remote store is asked for all of it at once, so opening takes one round trip; a local index has no tail.
    """
    dataset = partial(source.read, DATASET_FILE, 0, MAX_DATASET_BYTES)
    shards = partial(source.read, SHARDS_FILE, 0, MAX_SHARDS_BYTES)
    stat = partial(source.stat, INDEX_FILE)
    if not is_remote(source.url):
        return dataset, shards, stat, bytes
    with ThreadPoolExecutor(4) as pool:
        tail = pool.submit(source.read, INDEX_FILE, -_TAIL_BYTES)
        return pool.submit(dataset).result, pool.submit(shards).result, pool.submit(stat).result, tail.result


def _check_fit(source: Source, dataset: dict[str, Any], shards: ShardTable, parquet: ParquetFile) -> None:
    """Raise DatasetError for an index.parquet that does not belong to dataset.json and shards.parquet beside it."""
    # Other tools that write the file anew may leave the checksum out, and older versions of this code had none.
    said, held = dataset.get("index_content"), (parquet.metadata.metadata or {}).get(CONTENT.encode())
    if said is not None and held is not None and held.decode("ascii", "replace") != said:
        raise DatasetError(
            f"{source.url}/{INDEX_FILE}: is of another version than {DATASET_FILE} beside it; the dataset is being "
            "indexed again just now, so start again in a moment, or these are files of two copies: copy them again"
        )
    expect(source, INDEX_FILE, "the number of rows", parquet.metadata.num_rows, dataset["num_samples"])
    has_gops = not set(KEY_FRAME_COLUMNS).isdisjoint(parquet.schema_arrow.names)
    expected = index_schema(has_gops)
    try:
        check_types(parquet.schema_arrow, dict(zip(expected.names, expected.types, strict=True)))
    except ColumnError as error:
        raise DatasetError(f"{source.url}/{INDEX_FILE}: {error}; {REBUILD}") from error
    sizes = [parquet.metadata.row_group(i).num_rows for i in range(parquet.metadata.num_row_groups)]
    ends = np.cumsum(sizes, dtype=np.int64)
    borders = np.append(np.cumsum(shards.num_samples), -1)
    inside = ends[borders[np.searchsorted(borders[:-1], ends)] != ends].tolist()  # np.setdiff1d takes 30 ms to import
    expect(source, INDEX_FILE, "the list of row groups that end inside a shard", inside, [])
